-- Where the rules of token_rules.sql hold.

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON billing_paymenttoken
    FOR EACH ROW EXECUTE FUNCTION billing_guard_token();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_paymenttoken
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER token_use BEFORE INSERT ON billing_charge
    FOR EACH ROW WHEN (NEW.token_id IS NOT NULL) EXECUTE FUNCTION billing_guard_token_use();
CREATE TRIGGER token_cap BEFORE UPDATE ON billing_budget
    FOR EACH ROW WHEN (OLD.scope = 'token') EXECUTE FUNCTION billing_guard_token_budget();
