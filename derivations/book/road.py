"""The road: one bound, four models, and what stands beside it; of every page the sections to read first."""
from typing import NamedTuple


class Stop(NamedTuple):
    """A page of the road: what it brings, and the sections that lie on the road; its others stand after them."""
    brings:   str
    sections: list


#    the spine: the same bound, again and again
SPINE = {
    "foundations":  Stop("Laws, worlds and draws: all that a formula here is made of.",
                         ["A joint law and its parts", "Bayes' rule", "Sum out what nobody saw",
                          "Draws instead of the law", "Maximum likelihood"]),
    "divergences":  Stop("Jensen's inequality, and the KL: a distance that is never negative.",
                         ["First a tool: Jensen's inequality", "KL, and why it is never negative",
                          "Piece by piece: the chain rule", "Two normal laws on the line",
                          "Against the standard normal law"]),
    "elbo":         Stop("The bound on what we cannot compute, and what it costs.",
                         ["A bound", "What it costs", "When it costs nothing", "The best q",
                          "Over the data, as a loss"]),
    "mixtures":     Stop("The same bound, climbed one coordinate after the other: EM.",
                         ["What is to be made large", "The bound, climbed by turns",
                          "One step never lowers the likelihood", "Components that are alike stay alike",
                          "The step that runs"]),
    "estimators":   Stop("How to climb it by draws, where no sum can be done.",
                         ["Noise, moved and stretched", "The gradient goes through the noise",
                          "The gradient goes through the chances", "Draws from the prior", "Draws from q, weighted"]),
    "vae":          Stop("The same bound, climbed by gradient, with two networks.",
                         ["What a decoder says of x", "One variance: least squares",
                          "What a code costs, and what it says", "A linear decoder", "The bound that trains"]),
    "hierarchical": Stop("The same bound, twice: a code of the code.",
                         ["Two levels, one bound", "T levels"]),
    "diffusion":    Stop("The same bound, T times, with a q that learns nothing.",
                         ["One step, and many", "One step back, if we knew", "The bound, as a sum of KLs",
                          "What a wrong guess costs", "Back from noise"]),
}

#    beside it: a bound with a table in it, models without a bound, and how all of them are judged
BESIDE = {
    "codes":          Stop("A bound with a table in the middle: the nearest of K codes, and slopes past it.",
                           ["The nearest of K codes", "A VAE whose code costs log K", "Straight through",
                            "Two losses, two ways"]),
    "autoregressive": Stop("The exact road, one variable after the other.",
                           ["Any joint law is a chain", "Tables grow too fast", "The others are small formulas",
                            "One network for all of them", "Drawn one after the other"]),
    "flows":          Stop("The exact road, by a map that can be undone.",
                           ["On the line, the slope decides", "A straight map and its way back",
                            "Triangles have cheap determinants", "One map after another",
                            "Half of it stays as it is"]),
    "energies":       Stop("The exact road, up to a constant: a number for every state, and walks.",
                           ["A number for every state", "What the likelihood pulls on", "Bits that nobody sees",
                            "A walk that keeps the law", "Noise that keeps the law"]),
    "scores":         Stop("Arrows in the place of a law: learned from noise, followed down to data.",
                           ["Which way is up", "What nobody has to know", "Guess the noise", "Two modes far apart",
                            "Down the levels"]),
    "gan":            Stop("The game: no likelihood at all, but an opponent.",
                           ["The best discriminator", "What is left for the generator", "How strongly a fake is pulled",
                            "Where there is nothing to follow", "How far the mass has to go"]),
    "evaluation":     Stop("How samples are judged, and what the figures do not see.",
                           ["The Fréchet distance", "Too few samples", "Good samples, and all of the data",
                            "What a likelihood says", "Modes left out"]),
    "slips":          Stop("What the sources print, each beside the line that holds.",
                           ["The game with one numerator twice", "Two levels, and the wrong KL",
                            "What makes the bound tight", "The logarithm of a mean", "The last step of a sampler"]),
}

ROAD = {**SPINE, **BESIDE}


def parted(page):
    """(the sections of a page on the road, in its order, those beside it). A topic that is not in the table has all of
    them on it."""
    if page.topic not in ROAD:
        return page.sections, []
    first = ROAD[page.topic].sections
    return [s for s in page.sections if s.title in first], [s for s in page.sections if s.title not in first]


def neighbours(topic):
    """(the topic before, the topic after), None at either end and for one that is not on the road."""
    names = [None, *ROAD, None]
    i = names.index(topic) if topic in ROAD else 0
    return (names[i - 1], names[i + 1]) if i else (None, None)
