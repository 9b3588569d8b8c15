"""Small training runs for tests: options of `Settings` and of `fit` given side by side."""

from vaelib.train import Settings, fit


def fit_with(model, lik, pixels, *, generator, **options):
    """`fit`, with those of `options` that are settings collected into a `Settings`."""
    settings = {k: options.pop(k) for k in Settings.__struct_fields__ if k in options}
    return fit(model, lik, pixels, Settings(**settings), generator=generator, **options)
