-- Listings of objects at any size: what is hidden by delete markers costs a page nothing.
--
-- Over objects_latest a listing read every delete marker that it came by: 50,000 hidden keys in a row made each page that crossed them
-- read 50,000 rows. Writers keep one more index for it. Building it reads the table once, and writers wait meanwhile: 1 to 2 minutes for
-- 10,000,000 versions on two cores.

CREATE INDEX objects_shown ON objects (bucket_id, key) WHERE is_latest AND NOT is_delete_marker;
