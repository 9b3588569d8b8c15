"""The view of chapter 9: a normal plane bent into a banana, and two q's beside the posterior."""

from __future__ import annotations

import traitlets

from vaelib.views import View, bundle

SIGMAS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)  # as in rosenblatt.js
REACH = 2.5  # of both coordinates of z


class RosenblattExplorer(View):
    """Move z over the latent plane; see f(z) on the banana, and q against the exact posterior.

    The banana is that of vaelib.banana, and the numbers are those of `banana.gap`.

    z            the latent point, both coordinates within REACH
    sigma        standard deviation of the decoder's noise, one of SIGMAS
    x            f(z), [x1, x2]
    kl_full      KL(q || p(z|x)) in nats for the q of Theorem 4.1
    kl_diagonal  the same for the diagonal q
    floor        the limit of kl_diagonal as sigma -> 0, nats

    The last four are None until the view is displayed.
    Raises traitlets.TraitError for a value that a trait does not take.
    """

    _esm = bundle("rosenblatt")
    z = traitlets.Tuple(
        traitlets.Float(min=-REACH, max=REACH),
        traitlets.Float(min=-REACH, max=REACH),
        default_value=(1.5, 0.5),
    ).tag(sync=True)
    sigma = traitlets.Enum(SIGMAS, 0.3).tag(sync=True)
    x = traitlets.List(None, allow_none=True).tag(sync=True)
    kl_full = traitlets.Float(None, allow_none=True).tag(sync=True)
    kl_diagonal = traitlets.Float(None, allow_none=True).tag(sync=True)
    floor = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, **traits: object):
        label = "Explorer: a normal plane bent into a banana, and two q beside the exact posterior"
        super().__init__({}, label, **traits)
