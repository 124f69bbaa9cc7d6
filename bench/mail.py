"""The mail that is rendered: an order with a table, about 10 KB of HTML once its styles are in its elements."""

from typing import Final

_ROWS: Final = 19
SUBJECT: Final = "Your order {{order}}"
STYLES: Final = """
body { margin: 0; font-family: Arial, sans-serif; color: #222 } table { border-collapse: collapse; width: 100% }
td { padding: 8px 12px; border-bottom: 1px solid #ddd } td.price { text-align: right; white-space: nowrap }
h1 { font-size: 22px; color: #036 } a { color: #06c; text-decoration: none } a:hover { text-decoration: underline }
.total { font-weight: bold !important } .footer p { font-size: 12px; color: #777 }
@media (max-width: 600px) { td { padding: 4px !important } h1 { font-size: 18px !important } }
"""
HTML: Final = """<!DOCTYPE html><html><head><title>{{subject}}</title></head><body>
<h1>Thank you, {{customer.name}}</h1>
{{#if items}}
<table>
  {{#each items}}
  <tr class="{{#if @first}}first{{/if}}"><td>{{@index}}</td><td><a href="https://shop.example/items/{{id}}">{{name}}</a></td>
    <td>{{quantity}} pieces</td><td class="price">{{price}} {{../currency}}</td></tr>
  {{/each}}
  <tr class="total"><td colspan="3">Total</td><td class="price">{{total}} {{currency}}</td></tr>
</table>
{{else}}
<p>Nothing was ordered.</p>
{{/if}}
<div class="footer"><p>{{shop.name}}, {{shop.address}}</p><p>{{{shop.legal}}}</p></div>
</body></html>"""


def data() -> dict[str, object]:
    """What the templates are given."""
    items = [
        {"id": number, "name": f"Lamp no. {number} & co", "quantity": number, "price": f"{number}.90"}
        for number in range(_ROWS)
    ]
    return {
        "customer": {"name": "Ann <ann@example.com>"},
        "items": items,
        "currency": "EUR",
        "total": "512.00",
        "order": 4711,
        "shop": {"name": "Lighthouse", "address": "Quay 1", "legal": "<b>Lighthouse</b> Ltd."},
    }
