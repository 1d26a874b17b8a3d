-- Where the rules of decision_rules.sql hold.

DROP TRIGGER IF EXISTS append_only ON billing_topup;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_topup
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER guard BEFORE UPDATE ON billing_topup
    FOR EACH ROW EXECUTE FUNCTION billing_guard_top_up(
        'state', 'external_id', 'payment_id', 'page_url', 'decided_by', 'decided_at', 'group_id'
    );

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_refund
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER guard BEFORE UPDATE ON billing_refund
    FOR EACH ROW EXECUTE FUNCTION billing_guard_decision(
        'state', 'decided_by', 'decided_at', 'group_id', 'from_earnings', 'from_clawback'
    );

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_adjustment
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER guard BEFORE UPDATE ON billing_adjustment
    FOR EACH ROW EXECUTE FUNCTION billing_guard_decision('state', 'decided_by', 'decided_at', 'group_id');

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_grant
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER guard BEFORE UPDATE ON billing_grant
    FOR EACH ROW EXECUTE FUNCTION billing_guard_grant('state', 'decided_by', 'decided_at', 'group_id');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_grantburn
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER used AFTER INSERT ON billing_grantburn REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION billing_use_grants();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_gatewayevent
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
