import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core import cores
from core.chunks import with_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")
application = with_length(get_wsgi_application())
if settings.WEB_ONE_CORE_EACH:
    cores.keep_to_one()
