"""What botocore, the library below `aws s3api`, makes of S3's documents.

formats.py examples            prints texts for each subresource, generated from the model
formats.py judge FILE          FILE: {subresource: {"json": a value, "xml": what we make of it}}
"""

import copy
import json
import sys
from xml.etree import ElementTree

import botocore.session
from botocore.parsers import ResponseParserFactory
from botocore.serialize import create_serializer

# The subresource, and the operations that get and put it.
OPERATIONS = {
    "cors": ("GetBucketCors", "PutBucketCors"),
    "lifecycle": ("GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration"),
    "tagging": ("GetBucketTagging", "PutBucketTagging"),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning"),
    "encryption": ("GetBucketEncryption", "PutBucketEncryption"),
    "website": ("GetBucketWebsite", "PutBucketWebsite"),
    "publicAccessBlock": ("GetPublicAccessBlock", "PutPublicAccessBlock"),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls"),
    "notification": (
        "GetBucketNotificationConfiguration",
        "PutBucketNotificationConfiguration",
    ),
    "logging": ("GetBucketLogging", "PutBucketLogging"),
    "requestPayment": ("GetBucketRequestPayment", "PutBucketRequestPayment"),
    "object-lock": ("GetObjectLockConfiguration", "PutObjectLockConfiguration"),
    "retention": ("GetObjectRetention", "PutObjectRetention"),
    "legal-hold": ("GetObjectLegalHold", "PutObjectLegalHold"),
    "acl": ("GetObjectAcl", "PutObjectAcl"),
    "object tagging": ("GetObjectTagging", "PutObjectTagging"),
}

MODEL = botocore.session.get_session().get_service_model("s3")


def put_operation(name):
    """The operation that puts, and the member of its input that is the document."""
    operation = MODEL.operation_model(OPERATIONS[name][1])
    return operation, operation.input_shape.serialization["payload"]


def full(shape):
    """A value with every member that the model has."""
    if shape.type_name == "structure":
        return {name: full(member) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [full(shape.member), full(shape.member)]
    if shape.type_name == "timestamp":
        return "2026-01-31T12:00:00Z"
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long"):
        return 30
    return shape.enum[-1] if shape.enum else " a <b> & 'c' \u00e9 "


def changed(value, steps, change):
    """A copy of a value in which `change` was applied to what the steps lead to."""
    value = copy.deepcopy(value)
    inner = value
    for step in steps[:-1]:
        inner = inner[step]
    change(inner, steps[-1])
    return value


def path(steps):
    """Steps as a person writes them: `Rules[0].Status`."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return shown.lstrip(".")


def members(shape, steps=()):
    """Every shape below a shape, with the steps to it and whether it is required."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield member, (*steps, name), name in shape.required_members
            yield from members(member, (*steps, name))
    elif shape.type_name == "list":
        yield shape.member, (*steps, 0), False
        yield from members(shape.member, (*steps, 0))


def assign(value):
    def change(inner, step):
        inner[step] = value

    return change


def remove(inner, step):
    del inner[step]


def example(name):
    """A full value, others that are right, and some that are wrong at a path."""
    operation, payload = put_operation(name)
    shape = operation.input_shape.members[payload]
    value = full(shape)
    right, wrong = [], []
    for member, steps, is_required in members(shape):
        if is_required:
            wrong.append((path(steps), changed(value, steps, remove)))
        wrong.append((path(steps), changed(value, steps, assign(None))))
        wrong.append((path(steps), changed(value, steps, assign([[]]))))
        if member.type_name == "structure":
            unknown = (*steps, "Unknown")
            wrong.append((path(unknown), changed(value, unknown, assign(1))))
        for word in getattr(member, "enum", None) or []:
            right.append(changed(value, steps, assign(word)))
    return {"name": payload, "full": value, "right": right, "wrong": wrong}


def judged(name, value, xml):
    """The XML that botocore writes for a value, and what it reads in ours if there is one."""
    operation, payload = put_operation(name)
    arguments = {"Bucket": "bucket", "Key": "key", payload: value}
    names = operation.input_shape.members
    arguments = {name: value for name, value in arguments.items() if name in names}
    request = create_serializer("rest-xml").serialize_to_request(arguments, operation)
    written = request["body"].decode()

    output = MODEL.operation_model(OPERATIONS[name][0]).output_shape
    factory = ResponseParserFactory()
    # As `aws s3api` shows times: as they came.
    factory.set_parser_defaults(timestamp_parser=lambda text: text)
    answer = {"status_code": 200, "headers": {}, "body": (xml or written).encode()}
    read = factory.create_parser("rest-xml").parse(answer, output)
    read.pop("ResponseMetadata")
    return {
        "read": read.get(output.serialization.get("payload"), read),
        "written": written,
        "canonical": ElementTree.canonicalize(written),
        "our canonical": ElementTree.canonicalize(xml or written),
    }


def main():
    if sys.argv[1] == "examples":
        answer = {name: example(name) for name in OPERATIONS}
    else:
        with open(sys.argv[2], encoding="utf-8") as file:
            asked = json.load(file)
        answer = {name: judged(name, ask["json"], ask.get("xml")) for name, ask in asked.items()}
    json.dump(answer, sys.stdout)


main()
