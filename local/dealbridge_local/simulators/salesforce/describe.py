"""The describe calls: what an org tells a client about its sObjects."""

from typing import Any

from dealbridge_local.simulators.salesforce.schema import NUMBER, TEXT, Field, Schema, SObject

_SOAP = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}


def describe_global(schema: Schema, version: str) -> dict[str, Any]:
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [summary(sobject, version) for sobject in schema.sobjects],
    }


def summary(sobject: SObject, version: str) -> dict[str, Any]:
    base = f"/services/data/v{version}/sobjects/{sobject.name}"
    return {
        "activateable": False,
        "createable": sobject.createable,
        "custom": sobject.name.endswith("__c"),
        "customSetting": False,
        "deletable": sobject.deletable,
        "deprecatedAndHidden": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "name": sobject.name,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "updateable": sobject.updateable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def describe(schema: Schema, sobject: SObject, version: str) -> dict[str, Any]:
    return {
        **summary(sobject, version),
        "fields": [_field(field) for field in sobject.fields],
        "childRelationships": [
            {
                "cascadeDelete": field.on_parent_delete == "cascade",
                "childSObject": child.name,
                "deprecatedAndHidden": False,
                "field": field.name,
                "relationshipName": field.children,
                "restrictedDelete": field.on_parent_delete == "restrict",
            }
            for child, field in schema.children(sobject)
        ],
        "recordTypeInfos": [],
    }


def _field(field: Field) -> dict[str, Any]:
    numeric = field.type in NUMBER
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "length": field.length if field.type in TEXT or field.type in ("id", "reference") else 0,
        "precision": 18 if numeric else 0,
        "scale": field.scale if numeric else 0,
        "digits": 9 if field.type == "int" else 0,
        "nillable": field.nillable,
        "createable": field.createable,
        "updateable": field.updateable,
        "calculated": False,
        "custom": field.custom,
        "defaultedOnCreate": field.default is not None or field.calculated,
        "defaultValue": field.default,
        "externalId": field.external_id,
        "unique": field.unique,
        "caseSensitive": False,
        "idLookup": field.external_id or field.type == "id",
        "filterable": field.filterable,
        "sortable": field.filterable,
        "groupable": field.filterable and not numeric,
        "nameField": field.name == "Name",
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship,
        "restrictedPicklist": field.restricted,
        "picklistValues": [
            {"active": True, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
            for value in field.picklist
        ],
    }
