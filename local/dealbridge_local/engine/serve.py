"""Run MiniStack, corrected: ``python -m dealbridge_local.engine.serve``, started by ``lifecycle.start``.

Settings come in the environment, because that is where MiniStack reads its own: see ``lifecycle.engine_environment``.
"""

from dealbridge_local.engine import corrections


def main() -> None:
    from ministack import app

    corrections.apply()
    app.main()


if __name__ == "__main__":
    main()
