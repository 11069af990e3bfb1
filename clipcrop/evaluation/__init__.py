"""Evaluation: how well towers ground prompts, and how well scores agree with people."""
