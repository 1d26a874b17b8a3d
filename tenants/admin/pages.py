"""Which page shows which model on which of the two sites; the site itself is put together elsewhere."""

from tenants.admin.audit import MemberAuditAdmin, StaffAuditAdmin
from tenants.admin.credentials import MemberCredentialAdmin, StaffCredentialAdmin
from tenants.admin.keys import StaffKeyAdmin
from tenants.admin.people import MemberSeatAdmin, StaffSeatAdmin, StaffUserAdmin
from tenants.models import ApiKey, AuditEvent, Membership, ProviderCredential, User

MEMBER_PAGES = (
    (ProviderCredential, MemberCredentialAdmin),
    (Membership, MemberSeatAdmin),
    (AuditEvent, MemberAuditAdmin),
)
STAFF_PAGES = (
    (User, StaffUserAdmin),
    (Membership, StaffSeatAdmin),
    (ApiKey, StaffKeyAdmin),
    (ProviderCredential, StaffCredentialAdmin),
    (AuditEvent, StaffAuditAdmin),
)
