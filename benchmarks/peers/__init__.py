"""What the comparisons with other software share: workers, inputs, rows.

The random pools are those of the tests, whose helpers this makes importable.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
