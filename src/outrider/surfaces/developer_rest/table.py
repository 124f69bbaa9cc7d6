"""Every route of the developer REST."""

from typing import Final

from outrider.surfaces.developer_rest import event_routes, people_routes, settings_routes
from outrider.surfaces.developer_rest.files import FILES
from outrider.surfaces.developer_rest.routes import Route
from outrider.surfaces.developer_rest.suppression_routes import SUPPRESSIONS

_ALL: Final = (
    *event_routes.EVENTS,
    *event_routes.MESSAGES,
    *event_routes.CONVERSATIONS,
    *people_routes.USERS,
    *people_routes.LINK_CODES,
    *FILES,
    *SUPPRESSIONS,
    *settings_routes.CONNECTIONS,
    *settings_routes.WEBHOOKS,
    *settings_routes.APPLICATION,
    *event_routes.EVENT_SCHEMAS,
    *event_routes.LOGS,
)
ROUTES: Final = tuple(one if isinstance(one, Route) else one.route() for one in _ALL)
