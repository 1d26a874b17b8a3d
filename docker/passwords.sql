-- Gives the three roles that log in over the network their password, on the first start of an empty database.
\getenv password DATABASE_PASSWORD
ALTER ROLE robutler_app PASSWORD :'password';
ALTER ROLE robutler_owner PASSWORD :'password';
ALTER ROLE robutler_platform PASSWORD :'password';
