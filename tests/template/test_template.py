"""The template: nothing is lost, nothing is open, nothing can do more than it needs."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dealbridge.events import DEAL_CHANGED, SOURCE
from dealbridge.runs import closing, noticing
from dealbridge.settings import (
    BusSettings,
    EntranceSettings,
    LedgerSettings,
    QueueSettings,
    ReferenceSettings,
    RunSettings,
    Settings,
)
from tests.builders import REPOSITORY
from tests.deployed import functions, resources, template

QUEUES = resources("AWS::SQS::Queue")
RULES = resources("AWS::Events::Rule")
TABLES = resources("AWS::DynamoDB::Table")
ALARMS = resources("AWS::CloudWatch::Alarm")
POLICIES = resources("AWS::IAM::ManagedPolicy")
NO_RESOURCE = {
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}
"""Actions that know no resource (Step Functions guide, "Using CloudWatch Logs to log execution history")."""


def dead_letter_queues() -> set[str]:
    """Logical ids of the queues that something ends in."""
    found = set()
    for queue in QUEUES.values():
        policy = queue["Properties"].get("RedrivePolicy")
        if policy:
            found.add(policy["deadLetterTargetArn"]["Fn::GetAtt"][0])
    for place, value in _walk(template()["Resources"]):
        if place.endswith(("DeadLetterConfig.Arn", "OnFailure.Destination")):
            found.add(value["Fn::GetAtt"][0])
    return found


def _walk(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    yield place, value
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, f"{place}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{place}[{index}]")


def statements() -> list[tuple[str, Mapping[str, Any]]]:
    """(where, IAM statement) of the whole template."""
    found = []
    for place, value in _walk(template()["Resources"]):
        if isinstance(value, Mapping) and "Effect" in value:
            found.append((place, value))
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Queues


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_a_queue_has_a_dead_letter_queue_or_is_one(name: str) -> None:
    assert "RedrivePolicy" in QUEUES[name]["Properties"] or name in dead_letter_queues()


@pytest.mark.parametrize("name", sorted(dead_letter_queues()))
def test_a_dead_letter_queue_keeps_for_fourteen_days_and_has_an_alarm(name: str) -> None:
    assert QUEUES[name]["Properties"]["MessageRetentionPeriod"] == 1_209_600
    alarms = [
        alarm["Properties"]
        for alarm in ALARMS.values()
        if {"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}} in alarm["Properties"]["Dimensions"]
    ]
    (alarm,) = alarms
    # NumberOfMessagesSent does not count what SQS moves by itself (SQS guide, "Dead-letter queues").
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert alarm["TreatMissingData"] == "notBreaching"
    assert "dealbridge redrive --dlq" in alarm["AlarmDescription"]


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_queues_are_encrypted(name: str) -> None:
    assert QUEUES[name]["Properties"]["SqsManagedSseEnabled"] is True


def _sqs_sources() -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for name, function in functions().items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                yield name, function, event["Properties"]["Queue"]["Fn::GetAtt"][0]


def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run() -> None:
    found = list(_sqs_sources())
    assert found
    for _, function, queue in found:
        assert QUEUES[queue]["Properties"]["VisibilityTimeout"] >= 6 * function["Timeout"]
        assert QUEUES[queue]["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= 5


def test_one_message_that_fails_does_not_take_its_batch_along() -> None:
    for name, function, _ in _sqs_sources():
        for event in function["Events"].values():
            assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


# Events


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_target_of_a_rule_has_a_dead_letter_queue(name: str) -> None:
    for target in RULES[name]["Properties"]["Targets"]:
        assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] in QUEUES
        assert "Description" in RULES[name]["Properties"]


def test_the_events_may_reach_their_queues() -> None:
    sent_to = {
        target[part]["Fn::GetAtt"][0] if part == "Arn" else target[part]["Arn"]["Fn::GetAtt"][0]
        for rule in RULES.values()
        for target in rule["Properties"]["Targets"]
        for part in ("Arn", "DeadLetterConfig")
    } & set(QUEUES)
    (policy,) = (each["Properties"] for each in resources("AWS::SQS::QueuePolicy").values())
    assert {queue["Ref"] for queue in policy["Queues"]} == sent_to


def test_a_rule_may_invoke_its_function() -> None:
    permitted = {
        (each["Properties"]["SourceArn"]["Fn::GetAtt"][0], each["Properties"]["FunctionName"]["Ref"])
        for each in resources("AWS::Lambda::Permission").values()
    }
    invoked = {
        (name, target["Arn"]["Fn::GetAtt"][0])
        for name, rule in RULES.items()
        for target in rule["Properties"]["Targets"]
        if target["Arn"]["Fn::GetAtt"][0] in functions()
    }
    assert permitted == invoked


def test_every_schedule_has_a_dead_letter_queue() -> None:
    schedules = [
        event["Properties"]
        for function in functions().values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "ScheduleV2"
    ]
    assert schedules
    assert all("DeadLetterConfig" in schedule and "RetryPolicy" in schedule for schedule in schedules)


def test_what_is_invoked_asynchronously_keeps_what_it_failed_on() -> None:
    invoked = {
        target["Arn"]["Fn::GetAtt"][0] for rule in RULES.values() for target in rule["Properties"]["Targets"]
    } & set(functions())
    invoked |= {
        name
        for name, function in functions().items()
        if any(event["Type"] == "ScheduleV2" for event in function.get("Events", {}).values())
    }
    assert len(invoked) >= 3
    for name in invoked:
        kept = functions()[name]["EventInvokeConfig"]
        assert kept["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] in QUEUES, name
        assert kept["MaximumRetryAttempts"] <= 2


def test_runs_that_die_are_noticed() -> None:
    """Of every status that is an end without success (Step Functions guide, "Execution status change")."""
    pattern = RULES["DeadRuns"]["Properties"]["EventPattern"]
    assert set(pattern["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "DealToProject"}]
    assert "EventBusName" not in RULES["DeadRuns"]["Properties"], "AWS services tell on the default bus alone"


def test_every_hint_reaches_the_deal_queue() -> None:
    rule = RULES["DealHints"]["Properties"]
    assert rule["EventPattern"] == {"source": [SOURCE], "detail-type": [DEAL_CHANGED]}
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["DealQueue", "Arn"]}]
    assert rule["EventBusName"] == {"Ref": "PlatformBus"}


# Data


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_are_encrypted_and_can_be_restored_to_any_moment(name: str) -> None:
    given = TABLES[name]["Properties"]
    assert given["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert given["SSESpecification"] == {"SSEEnabled": True}
    assert given["BillingMode"] == "PAY_PER_REQUEST"


def test_business_records_outlive_the_stack_and_have_no_end() -> None:
    for kept in (TABLES["LedgerTable"], resources("AWS::S3::Bucket")["DocumentsBucket"]):
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain")
    expiring = {name for name, table in TABLES.items() if "TimeToLiveSpecification" in table["Properties"]}
    assert expiring == {"IdempotencyTable"}


@pytest.mark.parametrize("name", sorted(resources("AWS::S3::Bucket")))
def test_buckets_are_private_encrypted_and_versioned(name: str) -> None:
    given = resources("AWS::S3::Bucket")[name]["Properties"]
    assert set(given["PublicAccessBlockConfiguration"].values()) == {True}
    assert given["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert given["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "LifecycleConfiguration" not in given


@pytest.mark.parametrize("name", sorted(resources("AWS::Logs::LogGroup")))
def test_logs_are_kept_for_a_while(name: str) -> None:
    assert "RetentionInDays" in resources("AWS::Logs::LogGroup")[name]["Properties"]


def test_no_secret_stands_in_the_template() -> None:
    assert resources("AWS::SecretsManager::Secret") == {}
    assert not [place for place, value in _walk(template()) if isinstance(value, str) and "PRIVATE KEY" in value]


# Permissions


@pytest.mark.parametrize(("place", "statement"), statements(), ids=[place for place, _ in statements()])
def test_nothing_may_do_more_than_it_is_for(place: str, statement: Mapping[str, Any]) -> None:
    actions = _listed(statement["Action"])
    assert all("*" not in action for action in actions)
    for resource in _listed(statement.get("Resource", [])):
        if resource == "*":
            assert set(actions) <= NO_RESOURCE
        else:
            _check_star(json.dumps(resource))


def _check_star(resource: str) -> None:
    """A star ends a resource that is narrowed before it: a prefix, a bucket's folder, a machine's executions."""
    if "*" in resource:
        before = resource.split("*")[0]
        assert before.rstrip('"{}').endswith(("documents/", "${SecretPrefix", ":")), resource
        assert "${" in before


def test_the_ledger_is_never_deleted_from() -> None:
    actions = {
        action
        for name in ("LedgerPolicy",)
        for statement in POLICIES[name]["Properties"]["PolicyDocument"]["Statement"]
        for action in _listed(statement["Action"])
    }
    assert not [action for action in actions if "Delete" in action]


NEEDS: dict[str, tuple[type[Settings], ...]] = {
    "LedgerPolicy": (LedgerSettings,),
    "ReferencePolicy": (ReferenceSettings,),
    "BusPolicy": (BusSettings,),
    "IdempotencyPolicy": (EntranceSettings,),
    "RunPolicy": (RunSettings,),
}


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_has_the_environment_of_what_it_may_do(name: str) -> None:
    given = functions()[name]
    policies = {policy["Ref"] for policy in given["Policies"] if "Ref" in policy}
    assert policies <= set(POLICIES)
    for policy in policies & set(NEEDS):
        for settings in NEEDS[policy]:
            required = {field.upper() for field, each in settings.model_fields.items() if each.is_required()}
            assert required <= set(given["Environment"]["Variables"])


def test_who_starts_runs_may_and_who_does_not_may_not() -> None:
    starting = {name for name, each in functions().items() if "DEAL_RUN_ARN" in each["Environment"]["Variables"]}
    allowed = {name for name, each in functions().items() if {"Ref": "RunPolicy"} in each["Policies"]}
    assert (
        starting
        == allowed
        == {
            *("StartDealRunFunction", "CloseRunFunction", "ParkRunFunction", "ParkDeadRunFunction"),
        }
    )


def test_secrets_are_for_those_who_call_vendors() -> None:
    allowed = {name for name, each in functions().items() if {"Ref": "SecretsPolicy"} in each["Policies"]}
    assert allowed == {
        *("ReceiveCrmEventFunction", "PollCrmFunction", "ReadDealFunction", "SyncCustomerFunction"),
        *("SyncProjectFunction", "SyncContractFunction", "SyncBillingFunction", "RequestStaffingFunction"),
        *("UpdateCrmFunction", "ReceiveErpEventFunction"),
    }


def test_the_greeting_of_webhooks_is_answered_by_us_and_promises_what_the_api_lets_through() -> None:
    """Where the API has CORS set up, it answers OPTIONS itself (API Gateway guide, HTTP APIs, CORS)."""
    (api,) = (each["Properties"] for each in resources("AWS::Serverless::HttpApi").values())
    assert "CorsConfiguration" not in api
    assert api["DefaultRouteSettings"]["ThrottlingRateLimit"] * 60 >= noticing.EVENTS_PER_MINUTE
    routes = [
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for event in functions()["ReceiveErpEventFunction"]["Events"].values()
    ]
    assert sorted(routes) == [("OPTIONS", "/erp-events/{connection}"), ("POST", "/erp-events/{connection}")]


def test_of_a_run_the_first_step_alone_asks_what_is_published() -> None:
    """AppConfig charges for each configuration that an environment receives (decisions/0010)."""
    allowed = {name for name, each in functions().items() if {"Ref": "ReferencePolicy"} in each["Policies"]}
    assert allowed == {"ReceiveCrmEventFunction", "ReceiveErpEventFunction", "PollCrmFunction", "ReadDealFunction"}


def test_every_setting_is_given_to_somebody() -> None:
    given = {name for each in functions().values() for name in each["Environment"]["Variables"]}
    for settings in (LedgerSettings, ReferenceSettings, BusSettings, RunSettings, EntranceSettings):
        required = {field.upper() for field, each in settings.model_fields.items() if each.is_required()}
        assert required <= given, settings.__name__
    assert QueueSettings.model_fields.keys() == {"deal_queue_url"}, "used by operators' commands alone"


# Functions and layers


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_is_its_code_a_description_and_its_own_policies(name: str) -> None:
    given = resources("AWS::Serverless::Function")[name]["Properties"]
    assert given["Description"].endswith(".")
    assert given["Policies"]
    shared = {"Runtime", "Handler", "Architectures", "Layers", "LoggingConfig", "MemorySize"}
    assert not shared & set(given)


@pytest.mark.parametrize("name", sorted(resources("AWS::Serverless::LayerVersion")))
def test_a_layer_says_how_it_is_built(name: str) -> None:
    """Without BuildMethod `sam build` succeeds and ships a broken layer; without BuildArchitecture it is x86_64."""
    layer = resources("AWS::Serverless::LayerVersion")[name]
    runtime = template()["Globals"]["Function"]["Runtime"]
    if name == "CompiledLayer":  # by layers/Makefile; the same on every architecture
        assert layer["Metadata"] == {"BuildMethod": "makefile"}
        assert f"\nbuild-{name}:" in (REPOSITORY / layer["Properties"]["ContentUri"] / "Makefile").read_text()
    else:
        assert layer["Metadata"] == {"BuildMethod": runtime, "BuildArchitecture": {"Ref": "Architecture"}}
    assert layer["Properties"]["CompatibleRuntimes"] == [runtime]
    assert layer["Properties"]["CompatibleArchitectures"] == [{"Ref": "Architecture"}]


def test_what_is_compiled_is_for_the_python_of_the_functions() -> None:
    """And it is unpacked over the sources: after them, under the same folder."""
    assert template()["Globals"]["Function"]["Layers"][-1] == {"Ref": "CompiledLayer"}
    makefile = (REPOSITORY / "layers" / "Makefile").read_text()
    assert set(re.findall(r"python3\.\d+", makefile)) == {template()["Globals"]["Function"]["Runtime"]}
    assert "--invalidation-mode unchecked-hash" in makefile


def test_the_python_of_the_functions_is_the_projects() -> None:
    version = (REPOSITORY / ".python-version").read_text().strip()
    assert template()["Globals"]["Function"]["Runtime"] == f"python{version}"


def test_the_machines_name_is_the_one_that_functions_start() -> None:
    """By its name and not by !Ref, which would be a circle: the machine refers to the functions."""
    machine = resources("AWS::Serverless::StateMachine")["DealToProject"]["Properties"]
    name = machine["Name"]["Fn::Sub"]
    for each in functions().values():
        arn = each["Environment"]["Variables"].get("DEAL_RUN_ARN")
        assert arn is None or arn["Fn::Sub"].endswith(f":stateMachine:{name}")
    policy = json.dumps(POLICIES["RunPolicy"])
    assert f":stateMachine:{name}" in policy
    assert f":execution:{name}:*" in policy


# Watching


def test_what_the_alarm_counts_is_what_is_measured() -> None:
    """The rollback of a publication hangs on a metric that code writes: names and dimensions must be the same."""
    alarm = ALARMS["ConfigurationErrorsAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("dealbridge", "RunsParked")
    assert {each["Name"] for each in alarm["Dimensions"]} == {"service", "cause"}
    assert 'count("RunsParked", cause=' in Path(closing.__file__).read_text()
    monitors = resources("AWS::AppConfig::Environment")["ReferenceEnvironment"]["Properties"]["Monitors"]
    assert [each["AlarmArn"] for each in monitors] == [{"Fn::GetAtt": ["ConfigurationErrorsAlarm", "Arn"]}]


def test_the_dashboard_is_json_over_resources_that_are_there() -> None:
    for dashboard in resources("AWS::CloudWatch::Dashboard").values():
        text = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
        named = set(re.findall(r"\$\{([A-Za-z0-9]+)", text)) - {"AWS"}
        assert named <= set(resources()) | set(template()["Parameters"])
        assert json.loads(re.sub(r"\$\{[^}]*\}", "x", text))["widgets"]


def test_references_lead_somewhere() -> None:
    known = set(resources()) | set(template()["Parameters"])
    for place, value in _walk(template()):
        if isinstance(value, Mapping) and set(value) == {"Ref"} and not value["Ref"].startswith("AWS::"):
            assert value["Ref"] in known, place
        if isinstance(value, Mapping) and set(value) == {"Fn::GetAtt"}:
            assert value["Fn::GetAtt"][0] in known, place
