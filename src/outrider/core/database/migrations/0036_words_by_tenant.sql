-- Words are found within a tenant, and what imports leave behind does not stay for good.

-- The words of a contact as the index holds them: each behind the end of its organisation's id, which is random. So one
-- organisation's words lie together, and nobody reads another's; ids that end alike would cost time and nothing else. A
-- word has no blanks and at most 2,046 bytes; of one that would have more its beginning is enough. An import calls this
-- for each row: most are short, and need no query.
create function contact_keys(p_organisation_id uuid, p_search tsvector) returns tsvector
immutable parallel safe language plpgsql as $$
declare
  tenant constant text := right(p_organisation_id::text, 12);
  words constant text := array_to_string(tsvector_to_array(p_search), ' ');
begin
  if words = '' then
    return '';
  elsif octet_length(words) < 2000 then
    return array_to_tsvector(string_to_array(tenant || replace(words, ' ', ' ' || tenant), ' '));
  end if;
  return array_to_tsvector(array(select tenant || left(word, 500) from unnest(tsvector_to_array(p_search)) word));
end $$;

-- What has all these words, or words that begin so, among `contact_keys`. Words stand alone here: those that must follow
-- each other are found, and others with them. They hold no quotes and no backslashes.
create function contact_keys_query(p_organisation_id uuid, p_words text) returns tsquery
stable parallel safe language sql as $$
  select string_agg(quote_literal(key) || ':*', ' & ')::tsquery
  from unnest(tsvector_to_array(contact_keys(p_organisation_id, to_tsvector('simple', p_words)))) key
$$;

create index contacts_keys on contacts using gin (contact_keys(organisation_id, search)) with (fastupdate = off);

-- As before (0032): by the index of words alone, with the tenant compared in a way that no other index can offer itself
-- for.
create or replace function contacts_with_words(p_organisation_id uuid, p_words text) returns setof uuid
stable language plpgsql set enable_bitmapscan = on as $$
declare
  keys tsquery := contact_keys_query(p_organisation_id, p_words);
begin
  return query select c.id from contacts c
    where contact_keys(c.organisation_id, c.search) @@ keys
      and (c.organisation_id = p_organisation_id) is true and c.search @@ to_tsquery('simple', p_words);
end $$;

drop index contacts_search;

-- What an import left out goes some time after its end; then it is swept.
alter table contact_imports add column is_swept boolean not null default false;
create index contact_imports_unswept on contact_imports (finished_at) where finished_at is not null and not is_swept;
