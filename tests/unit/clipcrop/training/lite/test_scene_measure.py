"""Queries from masks."""

from __future__ import annotations

import numpy as np

from clipcrop.training.lite.scene_measure import true_regions


def test_each_class_has_a_box_for_each_of_its_larger_parts():
    mask = np.zeros((100, 200), np.uint8)
    mask[:50] = 3
    mask[60:80, 0:40] = 7
    mask[60:80, 100:140] = 7
    mask[90, 0:2] = 7  # too small beside the others
    mask[99, 199] = 9  # too small to be asked for

    regions = true_regions(mask)

    assert sorted(regions) == [3, 7]
    assert regions[3].tolist() == [[0.0, 0.0, 1.0, 0.5]]
    assert regions[7].tolist() == [[0.0, 0.6, 0.2, 0.8], [0.5, 0.6, 0.7, 0.8]]
