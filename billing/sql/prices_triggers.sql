-- Where the rules of prices.sql hold.

CREATE TRIGGER reviewed BEFORE UPDATE ON billing_priceversion
    FOR EACH ROW WHEN (OLD.state = 'draft' AND NEW.state = 'published') EXECUTE FUNCTION billing_guard_publication();
CREATE TRIGGER authors BEFORE UPDATE ON billing_priceversion
    FOR EACH ROW WHEN (
        NEW.created_by <> OLD.created_by OR NOT NEW.editors @> OLD.editors
        OR (OLD.state <> 'draft' AND NEW.editors <> OLD.editors)
    ) EXECUTE FUNCTION billing_guard_price_authors();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_priceacceptance
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
