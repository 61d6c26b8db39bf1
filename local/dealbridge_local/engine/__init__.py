"""The local AWS engine: MiniStack in a process of its own, corrected where it differs from AWS, and deployed to.

    engine = start()
    outputs = deploy(REPOSITORY, engine, parameters={"Stage": "local"})
    engine.client("stepfunctions").start_execution(stateMachineArn=outputs["DealToProjectArn"], input="{}")
    stop()

``settings``     what can be chosen, and the environment that points boto3 and the SAM CLI at the engine
``lifecycle``    start, find, watch, stop
``deployment``   sam build, sam deploy, outputs
``waiting``      wait for a condition with a deadline
``serve``        the engine's own process
``corrections``  where MiniStack answers differently from AWS
"""

from dealbridge_local.engine.deployment import DeploymentError, deploy
from dealbridge_local.engine.lifecycle import Engine, EngineError, EngineStoppedError, running, start, stop
from dealbridge_local.engine.settings import REPOSITORY, Settings
from dealbridge_local.engine.waiting import TooLateError, wait_until

__all__ = [
    "REPOSITORY",
    "DeploymentError",
    "Engine",
    "EngineError",
    "EngineStoppedError",
    "Settings",
    "TooLateError",
    "deploy",
    "running",
    "start",
    "stop",
    "wait_until",
]
