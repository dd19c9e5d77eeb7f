"""Validates OCSF lines against the models of the package ocsf-pydantic."""

import importlib.util
import json
import pathlib
import sys

import pydantic


def load(name):
    """A module of the package; two of its classes override a field without its type, which pydantic 2 refuses."""
    spec = importlib.util.find_spec("ocsf")
    path = pathlib.Path(spec.submodule_search_locations[0]) / name
    text = path.read_text()
    text = text.replace("class_uid = ", "class_uid: int = ").replace("class_name = ", "class_name: str = ")
    module = {"__name__": f"patched_{path.stem}"}
    exec(compile(text, str(path), "exec"), module)
    return module


# The schema makes `url` an object; the package takes a string there, though it has the object's model.
from ocsf.objects import http_request, url  # noqa: E402

http_request.HTTPRequest.model_fields["url"].annotation = url.URL | None
http_request.HTTPRequest.__annotations__["url"] = url.URL | None
http_request.HTTPRequest.model_rebuild(force=True)

MODELS = {
    3002: load("events/iam/authentication.py")["Authentication"],
    3003: load("events/iam/authorize_session.py")["AuthorizeSession"],
    6003: load("events/application/api.py")["APIActivity"],
}

valid = 0
for line in open(sys.argv[1], encoding="utf-8"):
    record = json.loads(line)
    try:
        MODELS[record["class_uid"]].model_validate(record)
    except pydantic.ValidationError as error:
        sys.exit(f"{error}\n{line}")
    valid += 1
print(valid)
