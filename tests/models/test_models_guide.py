"""docs/MODELS.md promises operators; the compiler's table is what it can do."""

import re
from pathlib import Path

from framekeep_models import lower_elementwise, lower_shape, lower_window  # noqa: F401
from framekeep_models.lower import RULES

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "MODELS.md"


def test_the_guide_names_exactly_the_operators_that_compile() -> None:
    table = GUIDE.read_text().split("## 2.")[1].split("| Rewritten")[0]
    named = set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*\b", table)) - {"SAME", "VALID", "RELU_N1_TO_1"}
    assert named == set(RULES)
