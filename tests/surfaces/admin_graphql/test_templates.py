"""Templates over the administration: written, listed, changed in versions, previewed, put away."""

from typing import Any

from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import World, new_world

FIELDS = """id applicationId identifier name version from subject textBody htmlBody styles locals strict
  createdAt updatedAt archivedAt"""
PREVIEW = """query($id: UUID!, $locals: JSON, $version: Int, $draft: TemplateDraft) {
  previewTemplate(id: $id, locals: $locals, version: $version, draft: $draft) {
    from subject text html isTextDerived } }"""


async def update(world: World, arguments: str) -> dict[str, Any]:
    query = f"mutation($id: UUID!) {{ updateTemplate(id: $id, {arguments}) {{ {FIELDS} }} }}"
    return (await world.owner.data(query, id=world.template))["updateTemplate"]


async def test_a_template_is_shown_as_it_was_written(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    created = await owner.data(
        f"""mutation($a: UUID!) {{ createTemplate(applicationId: $a, identifier: "mail/receipt", name: "Receipt",
          from: "shop@example.com", subject: "Order {{{{id}}}}", textBody: "t", htmlBody: "<p>h</p>",
          styles: "p {{ top: 0 }}", locals: {{id: 1}}, strict: true) {{ {FIELDS} }} }}""",
        a=world.application,
    )

    shown = created["createTemplate"]
    assert shown | {"createdAt": "", "updatedAt": ""} == {
        "id": shown["id"],
        "applicationId": world.application,
        "identifier": "mail/receipt",
        "name": "Receipt",
        "version": 1,
        "from": "shop@example.com",
        "subject": "Order {{id}}",
        "textBody": "t",
        "htmlBody": "<p>h</p>",
        "styles": "p { top: 0 }",
        "locals": {"id": 1},
        "strict": True,
        "createdAt": "",
        "updatedAt": "",
        "archivedAt": None,
    }
    query = f"""query($id: UUID!, $a: UUID!) {{
      template(id: $id) {{ {FIELDS} }} application(id: $a) {{ templates {{ id }} }} }}"""
    found = await owner.data(query, id=shown["id"], a=world.application)
    assert found["template"] == shown
    assert [one["id"] for one in found["application"]["templates"]] == [world.template, shown["id"]]


async def test_a_change_is_a_version_and_null_removes(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)

    changed = await update(world, 'subject: "Hi", locals: {name: "Ann"}')
    removed = await update(world, "subject: null, locals: null")
    renamed = await update(world, 'identifier: "other", name: "Other"')

    assert (changed["version"], changed["subject"], changed["textBody"]) == (2, "Hi", "Hello {{name}}")
    assert (removed["version"], removed["subject"], removed["locals"]) == (3, None, {})
    assert (renamed["version"], renamed["identifier"]) == (3, "other")
    versions = await owner.data(
        "query($id: UUID!) { templateVersions(id: $id) { version subject textBody locals } }",
        id=world.template,
    )
    assert [(one["version"], one["subject"]) for one in versions["templateVersions"]] == [
        (3, None),
        (2, "Hi"),
        (1, None),
    ]


async def test_a_preview_shows_stored_and_drafted_parts(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    await owner.data('mutation { updateOrganisationLocals(locals: {name: "everybody"}) { locals } }')
    await update(world, 'subject: "Hi {{name}}"')

    stored = await owner.data(PREVIEW, id=world.template)
    drafted = await owner.data(
        PREVIEW,
        id=world.template,
        locals={"name": "A & B"},
        draft={"htmlBody": "<p>{{name}}</p>", "styles": "p { top: 0 }"},
    )
    earlier = await owner.data(PREVIEW, id=world.template, version=1)

    assert stored["previewTemplate"] == {
        "from": None,
        "subject": "Hi everybody",
        "text": "Hello everybody",
        "html": None,
        "isTextDerived": False,
    }
    assert '<p style="top: 0;">A &amp; B</p>' in drafted["previewTemplate"]["html"]
    assert drafted["previewTemplate"]["text"] == "Hello A & B"
    assert earlier["previewTemplate"]["subject"] is None
    assert await owner.data(PREVIEW, id=world.template, version=9) == {"previewTemplate": None}


async def test_mistakes_are_told_with_their_place(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)

    stored = await owner.refused(
        'mutation($id: UUID!) { updateTemplate(id: $id, htmlBody: "a\\n{{#if b}}") { id } }',
        id=world.template,
    )
    previewed = await owner.refused(PREVIEW, id=world.template, draft={"textBody": "{{> nothing}}"})

    assert (stored["code"], stored["http"]) == ("RENDER_ERROR", {"status": 400})
    assert stored["details"] == {"part": "html", "template": None, "line": 2, "column": 1}
    assert previewed["details"] == {"part": "text", "template": None, "line": 1, "column": 1}
    versions = await owner.data("query($id: UUID!) { template(id: $id) { version } }", id=world.template)
    assert versions["template"]["version"] == 1


async def test_locals_of_organisation_and_application_are_shown(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    query = "query($a: UUID!) { organisation { locals } application(id: $a) { locals } }"
    before = await owner.data(query, a=world.application)

    set_ = await owner.data(
        """mutation($a: UUID!) { updateOrganisationLocals(locals: {a: 1}) { locals }
          updateApplicationLocals(applicationId: $a, locals: {b: [2]}) { locals } }""",
        a=world.application,
    )

    assert before == {"organisation": {"locals": {}}, "application": {"locals": {}}}
    assert set_["updateOrganisationLocals"] == {"locals": {"a": 1}}
    assert set_["updateApplicationLocals"] == {"locals": {"b": [2]}}


async def test_a_deleted_template_is_listed_and_its_identifier_free(
    server: Server, owner: Administrator
) -> None:
    world = await new_world(server, owner)
    query = "mutation($id: UUID!) { deleteTemplate(id: $id) { archivedAt } }"

    deleted = await owner.data(query, id=world.template)
    again = await owner.refused(query, id=world.template)
    created = await owner.data(
        'mutation($a: UUID!) { createTemplate(applicationId: $a, identifier: "world") { id } }',
        a=world.application,
    )

    assert deleted["deleteTemplate"]["archivedAt"]
    assert again["code"] == "NOT_FOUND"
    listed = (await owner.data("{ templates { id archivedAt } }"))["templates"]
    assert [(one["id"], bool(one["archivedAt"])) for one in listed] == [
        (world.template, True),
        (created["createTemplate"]["id"], False),
    ]
