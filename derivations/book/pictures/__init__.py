"""Pictures of the book: what each shows is computed on exact worlds, and tested; drawing adds nothing to it."""
import dataclasses
import importlib.util
import re
from typing import Callable

from scratch.runs.figures import plot

RED = "#d1495b"             # what does not hold, beside the colours of figures.py


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture: `numbers()` is a dict of host arrays and numbers, `draw(figure, **numbers)` puts them on a figure of
    matplotlib. The caption is a template of them: "{gap:.3f} nats"."""
    name:    str                                # of its file
    title:   str
    caption: str                                # what one sees, a sentence or two: it is also read aloud
    numbers: Callable
    draw:    Callable
    beside:  str = ""                           # the section that it opens, or the id of the line that it follows;
    #                                             at the top of the page unless told
    size:    tuple = (6.4, 2.9)                 # inches

    def drawn(self):
        """(the picture as SVG, its caption with the numbers)."""
        numbers = self.numbers()
        return plot(lambda figure: self.draw(figure, **numbers), self.size), \
            re.sub(r"-(?=\d)", "−", self.caption.format(**numbers))


def of(topic):
    """The pictures of a topic's page, the first at its top; none, where nobody has drawn any."""
    name = f"derivations.book.pictures.{topic}"
    return importlib.import_module(name).PICTURES if importlib.util.find_spec(name) else []
