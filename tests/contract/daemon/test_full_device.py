"""The memory of an accelerator is full: the real service, model_pool and model, a fake device."""

from __future__ import annotations

from clipcrop_wire.messages import Image

PIXELS = bytes(range(240)) * 320
IMAGE = Image.of(PIXELS, 160, 160, "rgb8")


def test_a_request_is_answered_by_the_cpu_and_says_so(start, suggest):
    daemon = start(model="model_with_a_full_device.py")
    example = {"prompt": "", "image_query": IMAGE, "image_query_pixels": PIXELS}
    example |= {"timeout_s": 60.0}  # it imports PyTorch

    with daemon.client() as client:
        reply = suggest(client, **example)
        again = suggest(client, **example)
        status = client.status()

    assert reply.device == again.device == "cpu"
    note = "not enough memory on cuda:0; the CPU was used"
    assert note in reply.notes
    assert note in again.notes
    assert (status.loaded, status.device) == (("lite",), "cpu")
    assert "memory.full model=lite device=cuda:0" in daemon.text()
    assert len(daemon.children()) == 1
