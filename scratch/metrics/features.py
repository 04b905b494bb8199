"""What samples are measured by: their pixels, a classifier's features, those of a random network.

    FEATURES[name](data) is a function of samples x [n, D] of the data, as the data come (levels, or floats), and gives
    their features [n, F]. It is the same one for the same data, so that figures can be compared.
"""
import math

from backends import xp
from backends.random import Stream
from scratch.data.checks import check_array
from scratch.data.levels import units
from scratch.metrics.classifier import MOST, eyes, labelled
from scratch.metrics.measures import pixels
from scratch.nets import affine, conv, linear, relu

STREAM   = Stream.seed(0)("features")
CHANNELS = 16, 32, 64           # of the random network
AT_ONCE  = 256                  # images it sees at a time


def of_pixels(data):
    """Pixels in [0, 1] of levels, or the columns themselves."""
    return lambda x: pixels(x, data.levels)


def of_classifier(data):
    """The last hidden layer of a classifier of the data. Raises ValueError where there are no `eyes`."""
    if not labelled(data):
        raise ValueError(f"features=classifier needs labels, of {MOST} classes at most, and the data have none; choose "
                         "pixels or random.")
    if (seen := eyes(data)) is None:
        raise ValueError("features=classifier: the classifier learned nothing of the data; choose pixels or random.")
    return seen.features


def of_random(data):
    """Of images the mean over all places of what a convolutional network says, whose weights are random: none to load.
    Of columns, in units of the data, a random affine layer with relu."""
    if len(data.shape) < 2:
        mean, deviation = units(data.train["x"])
        params = linear(data.train["x"].shape[1], CHANNELS[-1])[0](STREAM)
        return lambda x: relu(affine(((x - mean) / deviation).astype("float32"), params["W"], params["b"]))
    h, w, C = (*data.shape, 1)[:3]
    layers  = [conv((3, 3), n, m, stride, gain=2**0.5) for n, m, stride in zip((C, *CHANNELS), CHANNELS, (1, 2, 2))]
    params  = [init(STREAM(i)) for i, (init, _) in enumerate(layers)]

    def features(x):
        for p, (_, apply) in zip(params, layers):
            x = relu(apply(p, x))
        return xp.mean(x, axis=(1, 2))

    def all_of(x):
        x = xp.reshape(pixels(x, data.levels).astype("float32"), (len(x), h, w, C))
        return xp.concatenate([features(x[a:a + AT_ONCE]) for a in range(0, len(x), AT_ONCE)])
    return all_of


def _checked(of):
    """of, whose features are of whatever can be read as x [n, D]; they raise as `check_array` does."""
    def features(data):
        see = of(data)
        return lambda x: see(check_array(x, "x", (None, math.prod(data.shape)), keep_integers=True))
    return features


FEATURES = {"pixels": _checked(of_pixels), "classifier": _checked(of_classifier), "random": _checked(of_random)}
