"""How sure an accuracy is."""

from __future__ import annotations

import math

_NORMAL_QUANTILE = 1.959963984540054  # of (1 + 0.95) / 2; the module `statistics` takes 10 ms to import


def accuracy_interval(right: int, images: int) -> tuple[float, float]:
    """Return the 95 % confidence interval (Wilson 1927) of an accuracy of `right` out of `images`.

    The same as scipy's `binomtest(right, images).proportion_ci(0.95, "wilson")`, whose import takes seconds that the
    end of every training, and every screen that shows an accuracy, would have to wait for.
    """
    z = _NORMAL_QUANTILE
    share = right / images
    middle = share + z * z / (2 * images)
    spread = z * math.sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    scale = 1 + z * z / images
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
