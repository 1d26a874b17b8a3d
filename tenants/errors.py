"""What can go wrong with who is asking, named after the fact."""


class TenantsError(Exception):
    """Anything this package refuses; its message is safe to show to a caller."""


class NoTenant(TenantsError):
    """Tenant data was asked for without saying whose: a fault in the code, never of a caller."""


class InvalidKey(TenantsError):
    """The credential is malformed, unknown, revoked or not what it claims to be."""


class ExpiredKey(InvalidKey):
    """The key was good once; its time is over."""


class OrganizationSuspended(TenantsError):
    """The organization is known, and stopped by staff."""


class AddressNotAllowed(TenantsError):
    """The key is good, but not from where it was sent."""


class PermissionMissing(TenantsError):
    """Who asks may not do this."""


class TenantsUnavailable(TenantsError):
    """Nobody can be recognised now, because the database does not answer; trying again later will help."""


class SecretUnreadable(TenantsError):
    """A sealed secret does not open: its key was destroyed or changed, or the row was tampered with."""


class InvalidCredential(TenantsError):
    """A provider's credential, or its address, is of a form that is never accepted."""


class TooManyRules(TenantsError):
    """The organization has as many rules about limits as it may have."""


class InvalidNetwork(TenantsError):
    """What was written is no network."""


class SignInLocked(TenantsError):
    """Too many attempts to sign in: even the right password is refused for a while."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts to sign in. Try again in {-(-seconds // 60)} min.")
        self.seconds = seconds
