"""The chapters that have the new page; the list only grows, until it is all of them.

Their order, their numbers and their folds are held by tests/book/test_text.py and
tests/browser/test_shape.py.
"""

MOVED: tuple[str, ...] = (
    "01_bayesian_coin",
    "02_neural_networks",
    "03_graphical_models",
    "04_elbo",
    "05_cavi_mixture",
)
# The last sections of a page, word for word; those before say what is found in them.
LAST_SECTIONS = ("What the thesis says and what we find", "Exercises", "To remember")
N_EXERCISES = 6
