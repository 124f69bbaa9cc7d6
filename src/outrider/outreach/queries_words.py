"""The statement that finds contacts by their words, for whoever selects them and by whatever else is asked for."""

from typing import Final

# Newest first. A word that many have is found among the newest already; one that few have, by the index of words.
# Only one of the two reads far, whatever is asked for.
_WINDOW: Final = 2_000


def by_words(select: str, wheres: str, words: str) -> str:
    """Contacts with these words, the newest first.

    `select` selects contacts as `c` of the organisation `$1`, `wheres` are more conditions on them, `words` is the
    parameter that holds what `search_query` gives, `$2` how many are wanted.
    """
    return f"""
with newest as materialized (
  select c.id, c.search from contacts c where c.organisation_id = $1{wheres} order by c.id desc limit {_WINDOW}
), near as materialized (
  select n.id from newest n where n.search @@ to_tsquery('simple', {words}::text) order by n.id desc limit $2
), far as materialized (
  select w.id
  from (select count(*) as count from near) n cross join lateral contacts_with_words($1, {words}::text) w(id)
  join contacts c on c.organisation_id = $1 and c.id = w.id{wheres}
  where n.count < $2 order by w.id desc limit $2
), page as materialized (
  select id from near where (select count(*) from near) >= $2 union all select id from far
)
{select} and c.id = any(array(select id from page)) order by c.id desc limit $2
"""  # noqa: S608 -- constant pieces of the queries that call this, each with a number in it
