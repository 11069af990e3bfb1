from __future__ import annotations

import numpy as np

from clipcrop.encoders.lite_pixels import cell_grid


def test_cells_run_by_stride_then_row_then_column():
    corners, strides = cell_grid(64, 32)

    assert np.unique(strides, return_counts=True)[1].tolist() == [8 * 4, 4 * 2, 2 * 1]
    assert corners[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]
    assert corners[-2:].tolist() == [[0, 0], [0, 1]]
