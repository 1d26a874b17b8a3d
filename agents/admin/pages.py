"""Which page shows which model on which of the two sites; the site itself is put together elsewhere."""

from agents.admin.agents import MemberAgentAdmin, StaffAgentAdmin
from agents.admin.approvals import MemberApprovalAdmin, StaffApprovalAdmin
from agents.admin.limits import MemberLimitAdmin, StaffLimitAdmin
from agents.admin.mcp_servers import MemberMCPServerAdmin, StaffMCPServerAdmin
from agents.admin.memories import MemberMemoryAdmin, StaffMemoryAdmin
from agents.admin.runs import MemberRunAdmin, StaffRunAdmin
from agents.admin.tool_executions import MemberToolExecutionAdmin, StaffToolExecutionAdmin
from agents.models import Agent, Approval, MCPServer, Memory, Run, ToolExecution
from tenants.models import RateLimit

MEMBER_PAGES = (
    (Agent, MemberAgentAdmin), (Run, MemberRunAdmin), (Approval, MemberApprovalAdmin), (RateLimit, MemberLimitAdmin),
    (ToolExecution, MemberToolExecutionAdmin), (Memory, MemberMemoryAdmin),
    (MCPServer, MemberMCPServerAdmin),
)  # fmt: skip
STAFF_PAGES = (
    (Agent, StaffAgentAdmin), (Run, StaffRunAdmin), (Approval, StaffApprovalAdmin), (RateLimit, StaffLimitAdmin),
    (ToolExecution, StaffToolExecutionAdmin), (Memory, StaffMemoryAdmin),
    (MCPServer, StaffMCPServerAdmin),
)  # fmt: skip
