ar-src += volplugins/vol_api.c
ar-src += volplugins/vol_api_berth.c
ar-src += volplugins/vol_core.c
ar-src += volplugins/vol_info.c
ar-src += volplugins/vol_main.c
ar-src += volplugins/vol_record.c
ar-src += volplugins/vol_recover.c
ar-src += volplugins/vol_table.c
