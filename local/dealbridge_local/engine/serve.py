"""Run MiniStack, corrected: ``python -m dealbridge_local.engine.serve``, started by ``lifecycle.start``.

Settings come in the environment, because that is where MiniStack reads its own: see ``lifecycle.engine_environment``.
"""

import os

from dealbridge_local.engine import corrections
from dealbridge_local.engine.settings import HOST


def main() -> None:
    if os.environ.get("BIND_HOST") != HOST:
        raise SystemExit("Without its settings MiniStack listens on every network interface: use lifecycle.start().")
    from ministack import app  # It reads the environment when it is imported.

    corrections.apply()
    app.main()


if __name__ == "__main__":
    main()
