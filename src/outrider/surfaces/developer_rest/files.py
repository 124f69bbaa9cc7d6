"""Files: uploaded as a form or fetched from an address, shown, listed."""

from typing import Any, Final

from outrider.core.errors import ValidationError
from outrider.core.storable import MAX_BYTES
from outrider.files.names import safe_filename, told_mime_type
from outrider.platforms.base import LARGEST_FILE
from outrider.surfaces.developer_rest import documents
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.members import members_of, refused
from outrider.surfaces.developer_rest.parameters import CREATED, PAGES, Parameter, equal_to
from outrider.surfaces.developer_rest.route_kinds import Getting, Listing
from outrider.surfaces.developer_rest.routes import Asked, Route, media_type_of
from outrider.surfaces.developer_rest.shapes import JsonSchema, shape_of
from outrider.surfaces.forms import parse_form
from outrider.tenancy.actors import Actor

_TAG: Final = "files"
_FIELD: Final = "createFile"
_FORM: Final = b"multipart/form-data"
_FORM_BYTES: Final = LARGEST_FILE + 64 * 1024
_FIELDS: Final = ("file", "filename", "mime_type")
FILE: Final = shape_of("File")
_FETCH: Final = members_of(_FIELD, documents.mutation_field(_FIELD).args)
_FETCHING: Final = documents.mutation(_FIELD, documents.mutation_field(_FIELD).args, FILE.selection)
_FORM_SCHEMA: Final[JsonSchema] = {
    "type": "object",
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": f"The content: 1 byte to {LARGEST_FILE // 1_000_000} MB.",
        },
        "filename": {
            "type": "string",
            "description": "What it is called; that of the part if this is left out.",
        },
        "mime_type": {
            "type": "string",
            "description": "Its type, such as `image/png`; that of the part, or what the name says, if it is left out.",
        },
    },
    "required": ["file"],
    "additionalProperties": False,
}


async def _create(serving: Serving, actor: Actor, asked: Asked) -> Any:
    if media_type_of(asked.content_type) == _FORM:
        return FILE.project(await _upload(serving, actor, asked))
    return FILE.project(await _FETCHING.ask(serving, actor, _FETCH.parse(asked.body)))


async def _upload(serving: Serving, actor: Actor, asked: Asked) -> Any:
    fields = parse_form(asked.content_type, asked.body)
    unknown = next((name for name in fields if name not in _FIELDS), None)
    if unknown is not None:
        raise ValidationError(f"The form has the unknown field {unknown[:64]!a}.")
    if "file" not in fields:
        raise refused("file", "is missing")
    file = fields["file"]
    texts = {name: part.text() for name, part in fields.items() if name != "file"}
    filename = texts.get("filename") or file.filename
    mime_type = texts.get("mime_type") or told_mime_type(file.content_type, safe_filename(filename))
    stored = await serving.operations.store_file(actor, file.content, filename=filename, mime_type=mime_type)
    return await _FETCHING.read_made(serving, actor, "File", {"id": stored.id})


FILES: Final = (
    Route(
        method="POST",
        path="/v1/files",
        name="create_file",
        tag=_TAG,
        text=(
            f"Keep a file of at most {LARGEST_FILE // 1_000_000} MB, to attach it to messages: uploaded as a form, or "
            "fetched from an address. `PLATFORM_ERROR` if the other side does not give it. Scope `events:write`."
        ),
        handle=_create,
        status=201,
        answer=FILE.reference,
        shapes=(FILE,),
        body=_FETCH.schema,
        form=_FORM_SCHEMA,
        media={b"application/json": MAX_BYTES, _FORM: _FORM_BYTES},
        refusals=(502,),
        example={"url": "https://example.com/menu.pdf", "filename": "menu.pdf"},
        names=_FETCH.names,
    ),
    Listing(
        path="/v1/files",
        field="files",
        shape=FILE,
        name="list_files",
        tag=_TAG,
        parameters=(
            equal_to("filename", "filename", "String", "Exactly this name."),
            equal_to("mime_type", "mimeType", "String", "Exactly this type."),
            Parameter("state", "FileState", "By how they stand.", ("filters", "state")),
            *CREATED,
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/files/{id}",
        field="file",
        shape=FILE,
        name="get_file",
        tag=_TAG,
    ),
)
