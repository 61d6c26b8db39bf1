"""`dealbridge-local`: up, down, status, demo. The Makefile's targets call these."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dealbridge_local.engine import DeploymentError, EngineError, EngineStoppedError, TooLateError
from dealbridge_local.vendors import VendorsError

if TYPE_CHECKING:
    from dealbridge_local.platform import Platform


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dealbridge-local", description="dealbridge on one laptop.")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    commands.add_parser("up", help="start everything and leave it running")
    commands.add_parser("down", help="stop everything")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("demo", help="win a deal and show what reached the ERP and the PSA")
    storm = commands.add_parser(
        "storm", help="kill the engine's workers while deals go through, and judge what came of it"
    )
    storm.add_argument("--deals", type=int, default=500)
    storm.add_argument("--seed", type=int, default=1)
    storm.add_argument("--every", type=float, default=2.0, help="seconds between kills")
    options = parser.parse_args(arguments)
    # This process asks and shows; the functions' logs are in .local/engine.log.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    from dealbridge_local import platform

    try:
        match options.command:
            case "up":
                _show(platform.up())
            case "down":
                print("Stopped." if platform.down() else "Nothing was running.")
            case "status":
                running = platform.found()
                if running is None:
                    print("Nothing runs here; `make up` starts it.")
                    return 1
                _show(running)
            case "demo":
                from dealbridge_local.demo import play

                return play()
            case "storm":
                from dealbridge_local.storm import play as rage

                return rage(options.deals, options.seed, options.every)
    except (EngineError, EngineStoppedError, DeploymentError, VendorsError, TooLateError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show(running: "Platform") -> None:
    print(f"AWS         {running.endpoints['aws']['endpoint_url']}")
    print(f"HTTP API    {running.endpoints['http_api']}")
    for name, described in running.endpoints["simulators"].items():
        print(f"{name:11} {described['url']} ({described['api_version']})")
    print(f"All of it, with credentials: {running.engine.settings.home / 'endpoints.json'}")


if __name__ == "__main__":
    sys.exit(main())
