"""Control variates: what is known to be noise, because its expectation is 0, is regressed out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def without_covariates(values: Floats, covariates: Floats) -> Floats:
    """values - covariates @ b, b by least squares with an intercept: float64 (n,), of values (n,) and covariates (n, m),
    whose expectation must be 0 whatever the truth is; a covariate that moves with the truth takes it away.

    S. S. Lavenberg & P. D. Welch (1981), A perspective on the use of control variables, Management Science 27. The values
    as they are, where there are no more than twice as many as covariates: b would be noise.
    """
    count, many = covariates.shape
    if count <= 2 * (many + 1):
        return values
    centred = covariates - covariates.mean(axis=0)
    slope, *_ = np.linalg.lstsq(centred, values - values.mean(), rcond=None)
    adjusted: Floats = values - covariates @ slope
    return adjusted
