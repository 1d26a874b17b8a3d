-- The database roles of the platform. Run by a superuser, as often as you like, connected to the platform's database:
--
--     createdb robutler
--     psql --dbname robutler --file robutler_site/sql/roles.sql
--
-- On a server reached over a network give the three roles that log in a password of their own afterwards:
--
--     ALTER ROLE robutler_app PASSWORD '…';  -- and robutler_owner, robutler_platform
--
-- and set DATABASE_URL (robutler_app), DATABASE_OWNER_URL (robutler_owner), DATABASE_PLATFORM_URL (robutler_platform).

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        -- name                attributes
        ('robutler_owner',     'LOGIN NOBYPASSRLS'),    -- owns the tables, runs migrations
        ('robutler_app',       'LOGIN NOBYPASSRLS'),    -- API, console, workers: sees one organization at a time
        ('robutler_platform',  'LOGIN BYPASSRLS'),      -- staff admin, sweepers
        ('robutler_readonly',  'LOGIN BYPASSRLS'),      -- reports and backups
        ('robutler_ledger',    'NOLOGIN BYPASSRLS'),    -- owns the functions that move money
        ('robutler_lookup',    'NOLOGIN BYPASSRLS')     -- owns the look-ups made before the organization is known
    ) AS roles (name, attributes)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I', wanted.name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE %s', wanted.name, wanted.attributes);
    END LOOP;
END
$$;

ALTER ROLE robutler_readonly SET default_transaction_read_only = on;

-- Migrations hand functions over to these two (ALTER FUNCTION … OWNER TO), which takes membership and CREATE.
GRANT robutler_ledger, robutler_lookup TO robutler_owner;

CREATE EXTENSION IF NOT EXISTS vector;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO robutler_owner, robutler_ledger, robutler_lookup;
GRANT USAGE ON SCHEMA public TO robutler_app, robutler_platform, robutler_readonly;

ALTER DEFAULT PRIVILEGES FOR ROLE robutler_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO robutler_app, robutler_platform;
ALTER DEFAULT PRIVILEGES FOR ROLE robutler_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO robutler_app, robutler_platform;
ALTER DEFAULT PRIVILEGES FOR ROLE robutler_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO robutler_readonly;
