"""Say what a study of a size can find, and what size it takes to find an effect."""

from __future__ import annotations

import functools
import math

from transfergain.analysis.stats import Components, Design, quantile, tail

POWER, LEVEL = 0.8, 0.95
"""What *detectable* means where nothing else is said: a test at this level finds it with this power."""


def detectable(
    components: Components,
    seeds: int,
    clusters: int,
    power: float = POWER,
    level: float = LEVEL,
    looks: Design | None = None,
) -> float:
    """Find the smallest true difference that a test at this level finds with this power (minimum detectable effect).

    (quantile of the level + quantile of the power) x standard error (Bloom 1995), both from `quantile`; power above .5.
    """
    share = components.seed_share(seeds, clusters)
    quantiles = quantile(1 - level, share, seeds, clusters, looks), quantile(2 * (1 - power), share, seeds, clusters)
    return sum(quantiles) * math.sqrt(components.variance(seeds, clusters))


def is_detectable(effect: float, components: Components, seeds: int, clusters: int, looks: Design | None = None) -> bool:
    """Tell whether `detectable` is at most `effect`, without the quantile of the level: the one that costs, with looks."""
    error = math.sqrt(components.variance(seeds, clusters))
    if error == 0:
        return True
    share = components.seed_share(seeds, clusters)
    left = effect / error - quantile(2 * (1 - POWER), share, seeds, clusters)
    return left >= 0 and tail(left, share, seeds, clusters, looks) <= 1 - LEVEL


@functools.lru_cache(maxsize=4096)  # of the same gain several figures are judged, and all of them again at the next look
def needed(components: Components, effect: float, looks: Design | None = None) -> tuple[int | None, int | None]:
    """Find (seeds, test clusters) with which `effect` would be detectable, the other kept; None where 1,000 seeds, or a
    thousand times the test set, would not do. Clusters to within a tenth; at least one more than there are of either.
    """
    s, n = components.seeds, components.clusters
    few, many = s + 1, 1000
    if few > many or not is_detectable(effect, components, many, n, looks):
        few = 0
    while 0 < few < many:  # more seeds always detect less
        middle = (few + many) // 2
        few, many = (few, middle) if is_detectable(effect, components, middle, n, looks) else (middle + 1, many)
    # More clusters need not: with two or three seeds, what they leave is all seeds, with the wider tails of those.
    sizes = (math.ceil(n * 1.1**k) for k in range(1, 73))
    clusters = next((size for size in sizes if is_detectable(effect, components, s, size, looks)), None)
    return few or None, clusters
