-- Lines of bills stay as they were written.

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usageline
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
