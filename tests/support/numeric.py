"""What two computations that are equal on paper only must agree in: losses, outputs and gradients, to rounding.

Trained weights are not compared. A weight whose gradient is zero but for rounding (a bias before a softmax) is moved by
Adam all the same, by a full step in the direction of the rounding, which differs from processor to processor.
"""


def gradients(model):
    """Name -> gradient of the parameters that have one."""
    return {name: p.grad.detach().clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_gradients(got, expected, relative=1e-4, floor=1e-6):
    """Each gradient differs by less than `relative` of its size, or than `floor` of the largest one's."""
    assert got.keys() == expected.keys() and expected
    largest = max(float(g.norm()) for g in expected.values())
    for name, gradient in expected.items():
        size, difference = float(gradient.norm()), float((got[name] - gradient).norm())
        assert difference <= relative * size + floor * largest, f"{name}: off by {difference:.2g} of {size:.2g}"
