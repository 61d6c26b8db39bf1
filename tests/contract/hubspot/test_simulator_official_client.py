"""HubSpot's own Python client (hubspot-api-client), unmodified, against the simulator on a port.

The client builds its URLs from `configuration.host`; `api_factory` is its own hook for making an API with another one.
"""

from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.associations.v4 import AssociationSpec as LinkSpec
from hubspot.crm.associations.v4 import (
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicFetchAssociationsBatchRequest,
)
from hubspot.crm.associations.v4.schema import (
    PublicAssociationDefinitionCreateRequest,
    PublicAssociationDefinitionUpdateRequest,
)
from hubspot.crm.companies import SimplePublicObjectInputForCreate as NewCompany
from hubspot.crm.contacts import BatchInputSimplePublicObjectBatchInputUpsert as UpsertContacts
from hubspot.crm.contacts import SimplePublicObjectBatchInputUpsert as UpsertContact
from hubspot.crm.deals import (
    ApiException,
    AssociationSpec,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicAssociationsForObject,
    PublicMergeInput,
    PublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.line_items import BatchInputSimplePublicObjectBatchInputForCreate
from hubspot.crm.line_items import SimplePublicObjectBatchInputForCreate as NewLine
from hubspot.crm.pipelines import PipelineInput, PipelineStageInput
from hubspot.crm.properties import (
    BatchInputPropertyName,
    BatchReadInputPropertyName,
    PropertyCreate,
    PropertyGroupCreate,
    PropertyUpdate,
)
from hubspot.utils.signature import Signature
from hubspot.webhooks import (
    BatchInputSubscriptionBatchUpdateRequest,
    SettingsChangeRequest,
    SubscriptionBatchUpdateRequest,
    SubscriptionCreateRequest,
    ThrottlingSettings,
)

from dealbridge_local.simulators.hubspot import HubSpotSimulator
from dealbridge_local.simulators.server import serving


@pytest.fixture
def simulator() -> HubSpotSimulator:
    return HubSpotSimulator(search_lag_s=0, search_second_limit=50)


@pytest.fixture
def client(simulator: HubSpotSimulator) -> Iterator[Any]:
    with serving(simulator) as url:
        made: list[Any] = []

        def api_factory(package: Any, name: str, config: dict[str, Any]) -> Any:
            configuration = package.Configuration()
            configuration.host = url
            configuration.access_token = config["access_token"]
            configuration.api_key["developer_hapikey"] = simulator.credentials()["developer_api_key"]
            made.append(package.ApiClient(configuration=configuration))
            return getattr(package, name)(api_client=made[-1])

        yield HubSpot(access_token=simulator.credentials()["access_token"], api_factory=api_factory)
        for each in made:
            each.close()
            each.rest_client.pool_manager.clear()


def _deal(*links: Any, **properties: str) -> Any:
    wanted = {"dealname": "Rollout", "dealstage": "contractsent", **properties}
    return SimplePublicObjectInputForCreate(properties=wanted, associations=list(links))


def _link(to: str, type_id: int) -> Any:
    kind = AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=type_id)
    return PublicAssociationsForObject(to=PublicObjectId(id=to), types=[kind])


def test_the_client_is_the_version_these_tests_were_written_for() -> None:
    assert metadata.version("hubspot-api-client").split(".")[0] == "12"


def test_a_deal_with_company_and_lines(client: Any) -> None:
    company = client.crm.companies.basic_api.create(NewCompany(properties={"name": "Acme"}))
    deal = client.crm.deals.basic_api.create(_deal(_link(company.id, 5), amount="3600.5"))
    lines = [
        NewLine(properties={"name": f"Line {number}", "price": "10"}, associations=[_link(deal.id, 20)])
        for number in range(3)
    ]
    made = client.crm.line_items.batch_api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=lines))
    read = client.crm.deals.basic_api.get_by_id(
        deal.id, properties=["amount", "dealname"], associations=["companies", "line_items"]
    )

    assert read.properties["amount"] == "3600.5"
    assert [each.id for each in read.associations["line items"].results] == [each.id for each in made.results]
    assert {each.type for each in read.associations["companies"].results} == {
        "deal_to_company",
        "deal_to_company_unlabeled",
    }
    assert read.created_at.tzinfo is not None


def test_updating_listing_and_archiving(client: Any) -> None:
    ids = [client.crm.deals.basic_api.create(_deal(deal_key=f"D-{number}")).id for number in range(3)]
    update = SimplePublicObjectInput(properties={"dealstage": "closedwon"})
    client.crm.deals.basic_api.update("D-1", update, id_property="deal_key")
    client.crm.deals.basic_api.archive(ids[2])
    listed = client.crm.deals.get_all(properties=["hs_is_closed_won"])

    assert [(each.id, each.properties["hs_is_closed_won"]) for each in listed] == [
        (ids[0], "false"),
        (ids[1], "true"),
    ]
    with pytest.raises(ApiException) as refused:
        client.crm.deals.basic_api.get_by_id(ids[2])
    assert refused.value.status == 404


def test_upserting_and_reading_in_batches(client: Any) -> None:
    def upsert(*keys: str, **properties: str) -> list[Any]:
        inputs = [
            SimplePublicObjectBatchInputUpsert(
                id=key, id_property="deal_key", object_write_trace_id=key, properties=_deal(**properties).properties
            )
            for key in keys
        ]
        batch = BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
        results: list[Any] = client.crm.deals.batch_api.upsert(batch).results
        return results

    first, second = upsert("D-1", amount="1"), upsert("D-1", "D-2", amount="2")
    ids = BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=each.id) for each in second], properties=["amount"], properties_with_history=[]
    )
    read = client.crm.deals.batch_api.read(ids)

    assert [each.new for each in first] == [True]
    assert [each.new for each in second] == [False, True]
    assert [each.properties["amount"] for each in read.results] == ["2", "2"]


def test_a_partly_failed_batch_is_understood(client: Any) -> None:
    good, bad = _deal(amount="1").properties, _deal(amount="x").properties
    inputs = [
        SimplePublicObjectBatchInputUpsert(
            id=key, id_property="deal_key", object_write_trace_id=key, properties=properties
        )
        for key, properties in (("D-1", good), ("D-2", bad))
    ]
    batch = BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
    result = client.crm.deals.batch_api.upsert(batch)

    assert (len(result.results), result.num_errors) == (1, 1)
    assert result.errors[0].context == {"objectWriteTraceId": ["D-2"]}


def test_a_refusal_is_understood(client: Any) -> None:
    with pytest.raises(ApiException) as refused:
        client.crm.deals.basic_api.create(_deal(deal_currency_code="SEK"))
    assert refused.value.status == 400
    assert "INVALID_OPTION" in refused.value.body


def test_searching(client: Any) -> None:
    client.crm.deals.basic_api.create(_deal(amount="5"))
    wanted = client.crm.deals.basic_api.create(_deal(amount="50"))
    above = Filter(property_name="amount", operator="GT", value="10")
    request = PublicObjectSearchRequest(filter_groups=[FilterGroup(filters=[above])], properties=["amount"], limit=10)
    found = client.crm.deals.search_api.do_search(request)

    assert (found.total, [each.id for each in found.results]) == (1, [wanted.id])


def test_associations_v4(client: Any) -> None:
    company = client.crm.companies.basic_api.create(NewCompany(properties={"name": "Acme"}))
    deal = client.crm.deals.basic_api.create(_deal())
    basic, batch = client.crm.associations.v4.basic_api, client.crm.associations.v4.batch_api
    primary = LinkSpec(association_category="HUBSPOT_DEFINED", association_type_id=5)
    made = basic.create("deals", deal.id, "companies", company.id, [primary])
    page = basic.get_page("deals", deal.id, "companies")
    asked = BatchInputPublicFetchAssociationsBatchRequest(inputs=[PublicFetchAssociationsBatchRequest(id=deal.id)])
    read = batch.get_page("deals", "companies", asked)

    assert made.labels == ["Primary"]
    assert [(each.type_id, each.label) for each in page.results[0].association_types] == [(341, None), (5, "Primary")]
    assert str(read.results[0].to[0].to_object_id) == company.id
    none = batch.get_page("deals", "contacts", asked)
    assert none.errors[0].sub_category == "crm.associations.NO_ASSOCIATIONS_FOUND"
    basic.create_default("deals", deal.id, "companies", company.id)
    basic.archive("deals", deal.id, "companies", company.id)
    assert basic.get_page("deals", deal.id, "companies").results == []


def test_properties_pipelines_and_owners(client: Any) -> None:
    definition = PropertyCreate(name="steerco", label="S", type="string", field_type="text", group_name="engagement")
    client.crm.properties.core_api.create("deals", definition)
    assert client.crm.properties.core_api.get_by_name("deals", "steerco").field_type == "text"

    pipelines = client.crm.pipelines.pipelines_api.get_all("deals").results
    assert pipelines[0].stages[-2].metadata == {"isClosed": "true", "probability": "1.0"}
    owner = client.crm.owners.owners_api.get_page(email="tom.okafor@example.com").results[0]
    assert client.crm.owners.owners_api.get_by_id(int(owner.id)).last_name == "Okafor"


def test_tokens(client: Any, simulator: HubSpotSimulator) -> None:
    credentials = simulator.credentials()
    issued = client.oauth.tokens_api.create(
        grant_type="refresh_token",
        client_id=credentials["client_id"],
        client_secret=credentials["client_secret"],
        refresh_token=credentials["refresh_token"],
    )
    assert issued.expires_in == 1800
    assert client.oauth.access_tokens_api.get(issued.access_token).hub_id == 247279312


def test_webhook_settings(client: Any, simulator: HubSpotSimulator) -> None:
    wanted = SettingsChangeRequest(
        target_url="http://127.0.0.1:9/hook", throttling=ThrottlingSettings(max_concurrent_requests=10)
    )
    assert client.webhooks.settings_api.configure(51879189, wanted).target_url == "http://127.0.0.1:9/hook"
    assert len(client.webhooks.subscriptions_api.get_all(51879189).results) > 10
    client.webhooks.settings_api.clear(51879189)
    assert simulator.webhooks.target_url is None


def test_values_are_texts_and_history_and_the_bin_are_told(client: Any) -> None:
    deals = client.crm.deals
    deal = deals.basic_api.create(_deal(amount="1"))
    deals.basic_api.update(deal.id, SimplePublicObjectInput(properties={"amount": "2"}))
    read = deals.basic_api.get_by_id(deal.id, properties=["closedate"], properties_with_history=["amount"])
    assert [each.value for each in read.properties_with_history["amount"]] == ["2", "1"]
    assert read.properties["closedate"] is None
    assert all(value is None or isinstance(value, str) for value in read.properties.values())

    other = deals.basic_api.create(_deal())
    merged = deals.basic_api.merge(PublicMergeInput(primary_object_id=deal.id, object_id_to_merge=other.id))
    deals.basic_api.archive(merged.id)
    assert deals.basic_api.get_by_id(merged.id, archived=True).archived_at.tzinfo is not None
    assert merged.id in {each.id for each in deals.basic_api.get_page(archived=True).results}


def test_contacts_are_upserted_by_their_address(client: Any) -> None:
    def upsert(**properties: str) -> Any:
        one = UpsertContact(id="mara@acme.example", id_property="email", properties=properties)
        return client.crm.contacts.batch_api.upsert(UpsertContacts(inputs=[one])).results[0]

    made, again = upsert(firstname="Mara"), upsert(lastname="Klein")
    read = client.crm.contacts.basic_api.get_by_id("mara@acme.example", id_property="email")
    assert (made.new, again.new, read.id, read.properties["lastname"]) == (True, False, made.id, "Klein")


def test_search_by_association_in_order_and_its_end(client: Any) -> None:
    company = client.crm.companies.basic_api.create(NewCompany(properties={"name": "Acme"}))
    ids = [client.crm.deals.basic_api.create(_deal(_link(company.id, 5), amount=str(n))).id for n in (1, 3, 2)]
    client.crm.deals.basic_api.create(_deal(amount="9"))
    of_company = Filter(property_name="associations.company", operator="EQ", value=company.id)
    request = PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=[of_company])],
        sorts=[{"propertyName": "amount", "direction": "DESCENDING"}],
        limit=2,
    )
    found = client.crm.deals.search_api.do_search(request)
    assert [each.id for each in found.results] == [ids[1], ids[2]]
    assert (found.total, found.paging.next.after) == (3, "2")
    with pytest.raises(ApiException) as refused:
        client.crm.deals.search_api.do_search(PublicObjectSearchRequest(limit=100, after="10000"))
    assert refused.value.status == 400


def test_labels_of_associations(client: Any) -> None:
    labels = client.crm.associations.v4.schema.definitions_api
    made = labels.create("deals", "companies", PublicAssociationDefinitionCreateRequest(name="payer", label="Payer"))
    type_id = made.results[0].type_id

    def known() -> dict[int, str | None]:
        return {each.type_id: each.label for each in labels.get_all("deals", "companies").results}

    assert known() == {341: None, 5: "Primary", type_id: "Payer"}
    labels.update(
        "deals", "companies", PublicAssociationDefinitionUpdateRequest(association_type_id=type_id, label="Payer 2")
    )
    assert known()[type_id] == "Payer 2"
    labels.remove("deals", "companies", type_id)
    assert known() == {341: None, 5: "Primary"}


def test_properties_and_their_groups_are_administered(client: Any) -> None:
    properties = client.crm.properties
    properties.groups_api.create("deals", PropertyGroupCreate(name="erp_bridge", label="ERP"))
    assert "erp_bridge" in {each.name for each in properties.groups_api.get_all("deals").results}
    wanted = PropertyCreate(
        name="bridge_key", label="K", type="string", field_type="text", group_name="erp_bridge", has_unique_value=True
    )
    properties.core_api.create("deals", wanted)
    changed = properties.core_api.update("deals", "bridge_key", PropertyUpdate(label="Key"))
    assert (changed.label, changed.has_unique_value, changed.group_name) == ("Key", True, "erp_bridge")
    names = BatchReadInputPropertyName(archived=False, inputs=[{"name": "bridge_key"}, {"name": "amount"}])
    assert len(properties.batch_api.read("deals", names).results) == 2
    properties.batch_api.archive("deals", BatchInputPropertyName(inputs=[{"name": "bridge_key"}]))
    assert "bridge_key" not in {each.name for each in properties.core_api.get_all("deals").results}


def test_a_pipeline_of_ones_own_says_what_is_won(client: Any) -> None:
    stages = [
        PipelineStageInput(label=label, display_order=place, metadata={"probability": probability})
        for place, (label, probability) in enumerate((("Open", "0.5"), ("Signed", "1.0"), ("Declined", "0.0")))
    ]
    made = client.crm.pipelines.pipelines_api.create(
        "deals", PipelineInput(label="Projects", display_order=2, stages=stages)
    )
    assert [each.metadata["isClosed"] for each in made.stages] == ["false", "true", "true"]
    won = client.crm.deals.basic_api.create(_deal(pipeline=made.id, dealstage=made.stages[1].id))
    read = client.crm.deals.basic_api.get_by_id(won.id, properties=["hs_is_closed_won"])
    assert read.properties["hs_is_closed_won"] == "true"


def test_subscriptions_and_the_signature_that_the_clients_own_helper_verifies(
    client: Any, simulator: HubSpotSimulator
) -> None:
    secret, app, url = simulator.credentials()["client_secret"], 51879189, "https://hooks.example.com/in?tenant=eu"
    wanted = SubscriptionCreateRequest(event_type="company.propertyChange", property_name="name", active=False)
    made = client.webhooks.subscriptions_api.create(app, wanted)
    switched = BatchInputSubscriptionBatchUpdateRequest(
        inputs=[SubscriptionBatchUpdateRequest(id=int(made.id), active=True)]
    )
    assert client.webhooks.subscriptions_api.update_batch(app, switched).results[0].active
    client.crm.companies.basic_api.create(NewCompany(properties={"name": "Köln & Söhne"}))
    (request,) = simulator.webhooks.collect(url)

    def valid(body: str, uri: str = url) -> bool:
        return bool(
            Signature.is_valid(
                signature=request.headers["X-HubSpot-Signature-v3"],
                client_secret=secret,
                request_body=body,
                http_uri=uri,
                http_method="POST",
                signature_version="v3",
                timestamp=request.headers["X-HubSpot-Request-Timestamp"],
            )
        )

    body = request.body.decode()
    assert valid(body)
    assert not valid(body.replace("Söhne", "Sohn"))
    assert not valid(body, url.replace("eu", "us"))


def test_what_a_refresh_token_is_good_for(client: Any, simulator: HubSpotSimulator) -> None:
    told = client.oauth.refresh_tokens_api.get(simulator.credentials()["refresh_token"])
    assert (told.hub_id, told.token_type) == (247279312, "refresh")
