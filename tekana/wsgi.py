import os

from django.core.wsgi import get_wsgi_application

from core.chunks import with_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")
application = with_length(get_wsgi_application())
