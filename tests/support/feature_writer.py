"""Write features as a process of its own does, which imports little: see `tests/unit/test_features.py`."""

import numpy as np

from transfergain.engine.feature_store import FeatureStore


def write(folder):
    """Write forty arrays, but those that another process has written already."""
    store = FeatureStore(folder)
    for i in range(40):
        key = f"{i:016d}".encode()
        if key not in store.known([key]):
            store.add([(key, np.full((2, 3, 4), i, np.float32))])
