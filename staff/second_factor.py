"""The second factor of staff: an app with six digits, passkeys, and recovery codes for who lost both.

Secrets are sealed with a key from the settings and bound to their owner; a code is taken once; each attempt is counted
before it is looked at. Nobody takes off their last factor: a reset takes two colleagues (`access.py`).
"""

import json
import logging
import os
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from redis import RedisError
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core import audit, guesses
from core.ids import CROCKFORD
from staff.errors import (
    FactorGone,
    LastFactor,
    PasskeyKnown,
    ProofMissing,
    SignInClosed,
    TooManySignIns,
    WrongCode,
    WrongPasskey,
)
from staff.models import Passkey, RecoveryCode, Totp, User

logger = logging.getLogger("tekana.staff")
STEP_SECONDS = 30
DRIFT = 1  # steps that a clock may be off, either way
SECRET_BYTES = 20  # RFC 4226: as long as the digest
RECOVERY_CODES = 10
CHALLENGES = 5  # that a session keeps: dialogs in several tabs
CHALLENGE_SECONDS = 5 * 60
GUESSES = "staff_factor"  # counted apart from passwords, by principal


class Factors(NamedTuple):
    """What somebody has enrolled."""

    totp: Totp | None
    passkeys: list[Passkey]
    codes_left: int

    @property
    def is_enrolled(self) -> bool:
        return self.totp is not None or bool(self.passkeys)


def factors_of(user: User) -> Factors:
    totp = Totp.objects.filter(user=user).first()
    return Factors(totp, list(user.passkeys.all()), user.recovery_codes.filter(used_at=None).count())


# --- Secrets at rest -------------------------------------------------------------------------------------------------


def seal(secret: bytes, owner: User) -> bytes:
    """Nonce and ciphertext; only for this owner does it open again."""
    nonce = os.urandom(12)
    return nonce + AESGCM(bytes.fromhex(settings.STAFF_FACTOR_KEY)).encrypt(nonce, secret, owner.principal.encode())


def unseal(sealed: bytes, owner: User) -> bytes:
    """Raises: InvalidTag when no key of ours opens it, or it is somebody else's."""
    for key in (settings.STAFF_FACTOR_KEY, *settings.STAFF_FACTOR_OLD_KEYS):
        try:
            return AESGCM(bytes.fromhex(key)).decrypt(sealed[:12], sealed[12:], owner.principal.encode())
        except InvalidTag:
            continue
    raise InvalidTag()


def code_digest(user: User, code: str) -> str:
    plain = "".join(code.split()).replace("-", "").upper()
    return salted_hmac("staff recovery code", f"{user.pk}:{plain}", algorithm="sha256").hexdigest()


# --- Counting --------------------------------------------------------------------------------------------------------


def count(user: User) -> None:
    """Raises: TooManySignIns, SignInClosed."""
    try:
        wait = guesses.take(GUESSES, user.principal)
    except RedisError as exc:
        raise SignInClosed() from exc
    if wait:
        raise TooManySignIns(f"Too many attempts. Wait {-(-wait // 60)} minutes.", retry_after=wait)


def right(user: User, how: str, action: str) -> str:
    guesses.give_back(GUESSES, user.principal)
    audit.record(actor=user, action=action, subject=user, after={"with": how})
    return how


# --- Checking --------------------------------------------------------------------------------------------------------


def check(user: User, sent: Mapping[str, str], request: HttpRequest, *, action: str) -> str:
    """Whether ``sent`` (``proof_passkey`` or ``proof_code``) proves that it is them; what it was: app, passkey, code.

    ``action`` is what the audit trail calls it; a failure is ``<action>_failed``.
    Raises: ProofMissing, WrongCode, WrongPasskey, TooManySignIns, SignInClosed.
    """
    answer, typed = sent.get("proof_passkey", ""), sent.get("proof_code", "")
    if not answer and not typed.strip():
        raise ProofMissing()
    count(user)
    try:
        if answer:
            return right(user, check_passkey(user, answer, request), action)
        return right(user, check_code(user, typed), action)
    except (WrongCode, WrongPasskey):
        audit.record(actor=user, action=f"{action}_failed", subject=user, after={"with": "second factor"})
        if guesses.are_spent(GUESSES, user.principal):
            audit.record(actor=user, action="locked_out", subject=user, after={"with": "second factor"})
        raise


def check_code(user: User, typed: str) -> str:
    """Six digits of the app, or a recovery code; either works once. Raises: WrongCode."""
    digits = "".join(typed.split())
    if digits.isascii() and digits.isdigit() and len(digits) == 6:
        totp = Totp.objects.filter(user=user).first()
        try:
            step = step_of(unseal(bytes(totp.secret), user), digits) if totp else None
        except InvalidTag as exc:
            logger.error("a second factor does not open", extra={"of": user.principal})
            raise WrongCode("The key of the secrets has changed: the app has to be enrolled anew.") from exc
        # One statement decides between two who send the same code at once.
        if step is not None and Totp.objects.filter(user=user, last_step__lt=step).update(last_step=step):
            return "app"
        raise WrongCode()
    unused = RecoveryCode.objects.filter(user=user, digest=code_digest(user, typed), used_at=None)
    if unused.update(used_at=timezone.now()):
        return "recovery code"
    raise WrongCode()


def app(secret: bytes) -> TOTP:
    """RFC 6238 as every app has it: SHA-1 inside an HMAC, where its collisions are of no use to anybody."""
    return TOTP(secret, 6, SHA1(), STEP_SECONDS)  # noqa: S303  # nosec B303


def step_of(secret: bytes, digits: str) -> int | None:
    """Which step's code it is, now or just before or after; None when of neither."""
    now, found = int(time.time()) // STEP_SECONDS, None
    totp = app(secret)
    for step in range(now - DRIFT, now + DRIFT + 1):
        if constant_time_compare(totp.generate(step * STEP_SECONDS).decode(), digits):
            found = step
    return found


# --- Enrolling -------------------------------------------------------------------------------------------------------


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def address_of(secret: bytes, user: User) -> str:
    """What the QR code says to the app."""
    return app(secret).get_provisioning_uri(user.username, "Tekana")


def enrol_app(user: User, secret: bytes, digits: str) -> None:
    """Take the app into use, in place of one before; the first code shows that it has the secret. That code is spent.

    Raises: WrongCode, TooManySignIns, SignInClosed.
    """
    count(user)
    step = step_of(secret, "".join(digits.split()))
    if step is None:
        raise WrongCode()
    with transaction.atomic():
        sealed = seal(secret, user)
        _, made = Totp.objects.update_or_create(user=user, defaults={"secret": sealed, "last_step": step})
        audit.record(
            actor=user, action="enrol_app", subject=user, before=None if made else {"app": "another"},
            after={"app": "enrolled"},
        )  # fmt: skip
    guesses.give_back(GUESSES, user.principal)


def new_recovery_codes(user: User) -> list[str]:
    """Ten new ones in place of all before; shown once and kept as digests. Eighty random bits each."""
    codes = ["".join(secrets.choice(CROCKFORD) for _ in range(16)) for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        user.recovery_codes.all().delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=code_digest(user, code)) for code in codes)
        audit.record(actor=user, action="new_recovery_codes", subject=user, after={"codes": RECOVERY_CODES})
    return ["-".join(code[i : i + 4] for i in range(0, 16, 4)).lower() for code in codes]


def enrol_passkey(user: User, answer: str, name: str, request: HttpRequest) -> Passkey:
    """Keep the public half of a key that a device has just made.

    Raises: WrongPasskey, PasskeyKnown.
    """
    host, origin = place_of(request)
    try:
        made = verify_registration_response(
            credential=answer, expected_challenge=spend(request, answer), expected_rp_id=host, expected_origin=origin,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as exc:
        audit.record(actor=user, action="enrol_passkey_failed", subject=user, after={"why": type(exc).__name__})
        raise WrongPasskey() from exc
    name = name.strip()[:60] or "Passkey"
    try:
        with transaction.atomic():
            passkey = Passkey.objects.create(
                user=user, credential=made.credential_id, public_key=made.credential_public_key,
                sign_count=made.sign_count, host=host, name=name,
            )  # fmt: skip
            audit.record(actor=user, action="enrol_passkey", subject=user, after={"passkey": name})
    except IntegrityError as exc:
        raise PasskeyKnown() from exc
    return passkey


def remove(user: User, factor: Totp | Passkey) -> None:
    """Take off the app or a passkey, not the last of them.

    Raises: FactorGone, LastFactor.
    Locks: the user.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        have = factors_of(user)
        if factor not in (have.totp, *have.passkeys):  # asked under the lock: of two who remove it at once one does
            raise FactorGone()
        if len(have.passkeys) + (have.totp is not None) < 2:
            raise LastFactor()
        before = {"passkey": factor.name} if isinstance(factor, Passkey) else {"app": "enrolled"}
        factor.delete()
        audit.record(actor=user, action="remove_factor", subject=user, before=before)


def reset(user: User) -> dict[str, Any]:
    """Take off everything; what there was, in words. The caller records it and ends the sessions."""
    have = factors_of(user)
    Totp.objects.filter(user=user).delete()
    user.passkeys.all().delete()
    user.recovery_codes.all().delete()
    return {"app": have.totp is not None, "passkeys": [one.name for one in have.passkeys], "codes": have.codes_left}


# --- Passkeys --------------------------------------------------------------------------------------------------------


def place_of(request: HttpRequest) -> tuple[str, str]:
    """Our name and origin as the browser has them; the name is one of ALLOWED_HOSTS."""
    return request.get_host().partition(":")[0], f"{request.scheme}://{request.get_host()}"


def challenge(request: HttpRequest) -> bytes:
    """A new one, which this session may answer once, soon."""
    now, made = int(time.time()), secrets.token_bytes(32)
    kept = [one for one in request.session.get("challenges", []) if now - one[1] < CHALLENGE_SECONDS]
    request.session["challenges"] = [*kept, [made.hex(), now]][-CHALLENGES:]
    return made


def spend(request: HttpRequest, answer: str) -> bytes:
    """The challenge that ``answer`` is to, which then is spent. Raises: ValueError, KeyError, TypeError."""
    client = json.loads(base64url_to_bytes(json.loads(answer)["response"]["clientDataJSON"]))
    said = base64url_to_bytes(client["challenge"]).hex()
    now, kept = int(time.time()), request.session.get("challenges", [])
    request.session["challenges"] = [one for one in kept if one[0] != said]
    if not any(one[0] == said and now - one[1] < CHALLENGE_SECONDS for one in kept):
        raise ValueError("not a challenge of this session")
    return bytes.fromhex(said)


def options_to_enrol(user: User, request: HttpRequest) -> str:
    known = [PublicKeyCredentialDescriptor(id=bytes(one.credential)) for one in user.passkeys.all()]
    return options_to_json(
        generate_registration_options(
            rp_id=place_of(request)[0], rp_name="Tekana", user_name=user.username, user_display_name=str(user),
            user_id=salted_hmac("passkeys", user.principal, algorithm="sha256").digest(),
            challenge=challenge(request), exclude_credentials=known,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.DISCOURAGED, user_verification=UserVerificationRequirement.PREFERRED
            ),
        )
    )  # fmt: skip


def options_to_prove(user: User, request: HttpRequest) -> str:
    """For the browser; empty where there is no passkey of theirs for this host."""
    host = place_of(request)[0]
    known = [PublicKeyCredentialDescriptor(id=bytes(one.credential)) for one in user.passkeys.all() if one.host == host]
    if not known:
        return ""
    return options_to_json(
        generate_authentication_options(rp_id=host, challenge=challenge(request), allow_credentials=known)
    )


def check_passkey(user: User, answer: str, request: HttpRequest) -> str:
    """Raises: WrongPasskey."""
    host, origin = place_of(request)
    try:
        expected = spend(request, answer)
        sent = base64url_to_bytes(json.loads(answer)["rawId"])
        with transaction.atomic():
            passkey = user.passkeys.select_for_update(no_key=True).get(credential=sent)
            verified = verify_authentication_response(
                credential=answer, expected_challenge=expected, expected_rp_id=host, expected_origin=origin,
                credential_public_key=bytes(passkey.public_key), credential_current_sign_count=passkey.sign_count,
            )  # fmt: skip
            passkey.sign_count, passkey.used_at = verified.new_sign_count, timezone.now()
            passkey.save(update_fields=["sign_count", "used_at"])
    except (WebAuthnException, Passkey.DoesNotExist, ValueError, KeyError, TypeError) as exc:
        raise WrongPasskey() from exc
    return f"passkey {passkey.name}"
