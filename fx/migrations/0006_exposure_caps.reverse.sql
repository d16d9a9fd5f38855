DROP TRIGGER append_only ON fx_exposurecap;
