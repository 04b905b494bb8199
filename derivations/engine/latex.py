"""The LaTeX of a line, compared with its code: the same letters, functions, signs and numbers."""
import re

SIGNS = {r"\mathbb{E}": "E", r"\mathrm{KL}": "KL", r"\mathrm{JS}": "JS", r"\Vert": "||", r"\mid": "|", r"\cdot": "*",
         r"\leq": "<=", r"\geq": ">=", r"\infty": "inf", r"\quad": "  ", r"\qquad": "  ", r"\ldots": "...", r"\top": "T"}


def plain(latex):
    """The formula as a reader of a terminal wants it."""
    for sign, text in SIGNS.items():
        latex = latex.replace(sign, text)
    latex = re.sub(r"\\(left|right|[,;!])", "", latex)
    latex = re.sub(r"\\(?:text|mathrm|operatorname|mathcal|bar|tilde|hat|boldsymbol)\{([^{}]*)\}", r"\1", latex)
    while (shorter := re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: f"{_group(m[1])}/{_group(m[2])}", latex)) != latex:
        latex = shorter
    latex = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", latex)
    latex = re.sub(r"([_^])\{(\w)\}", r"\1\2", latex)
    return re.sub(r" +", " ", re.sub(r"\\([a-zA-Z]+) ?", r"\1 ", latex.replace(r"\ ", " "))).strip()


def _group(text):
    return f"({text})" if re.search(r"[-+ ]", text.strip()) else text
