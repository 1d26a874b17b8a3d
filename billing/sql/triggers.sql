-- Where the rules of rules.sql hold.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_transfergroup
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_settlement
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_account
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_charge
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_hold
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE TRUNCATE ON billing_priceversion
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE TRUNCATE ON billing_priceitem
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();

CREATE TRIGGER accounts AFTER INSERT ON tenants_organization
    FOR EACH ROW EXECUTE FUNCTION billing_open_accounts_of_new();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON billing_account
    FOR EACH ROW EXECUTE FUNCTION billing_guard_account();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON billing_hold
    FOR EACH ROW EXECUTE FUNCTION billing_guard_hold();
CREATE TRIGGER guard BEFORE UPDATE ON billing_charge
    FOR EACH ROW EXECUTE FUNCTION billing_guard_charge();

CREATE TRIGGER post AFTER INSERT ON billing_transfer REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION billing_post_transfers();
CREATE TRIGGER reserve_new AFTER INSERT ON billing_hold REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION billing_reserve_new_holds();
CREATE TRIGGER reserve_changed AFTER UPDATE ON billing_hold REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION billing_reserve_changed_holds();

CREATE TRIGGER published BEFORE UPDATE OR DELETE ON billing_priceversion
    FOR EACH ROW EXECUTE FUNCTION billing_guard_price_version();
CREATE TRIGGER published_insert AFTER INSERT ON billing_priceitem REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_price_item();
CREATE TRIGGER published_update AFTER UPDATE ON billing_priceitem REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_price_item();
CREATE TRIGGER published_move AFTER UPDATE ON billing_priceitem REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_price_item();
CREATE TRIGGER published_delete AFTER DELETE ON billing_priceitem REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_price_item();
