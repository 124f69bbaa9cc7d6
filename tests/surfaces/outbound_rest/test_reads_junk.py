"""Whatever stands in a query string or a path: an answer, or a problem document; never a fault of ours."""

from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.surfaces.outbound_rest.shelf import ENDPOINTS, Reads

NAMES = (
    "limit",
    "cursor",
    "listId",
    "contactId",
    "qualificationStatus",
    "status",
    "includeArchived",
    "eventType",
    "other",
)
WORDS = (
    "1",
    "0",
    "-1",
    "",
    " ",
    "200",
    "draft",
    "null",
    "' or 1=1 --",
    "%00",
    "&",
    "a b",
    "*:*",
    "ada & | !",
    "\\",
    "𝄞",
    "()<->",
)
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=40),
    st.uuids().map(str),
    st.integers().map(str),
    st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")),
)


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_parameter_breaks_anything(reads: Reads, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(ENDPOINTS))
    for name in ("{contact}", "{list}", "{draft}"):
        path = path.replace(name, _quoted(data.draw(TEXTS)))
    names = data.draw(st.lists(st.sampled_from(NAMES), max_size=3))
    query = "&".join(f"{name}={_quoted(data.draw(TEXTS))}" for name in names)
    query = data.draw(st.sampled_from([query, f"{query}&&", f"%zz={query}", query.replace("=", "")]))

    # a key of its own, so that nothing is refused for coming too often
    answered = await (await reads.fresh()).call(path, query=query)

    if answered.status != 200:
        assert answered.status in {400, 404}, (path, query, answered.body)
        reads.told(answered, answered.status, answered.json()["type"].rpartition("/")[2])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
async def test_no_key_breaks_anything(reads: Reads, token: str) -> None:
    answered = await reads.call("/me", headers={"authorization": f"Bearer {token}"})

    reads.told(answered, 401, "invalid-api-key")
