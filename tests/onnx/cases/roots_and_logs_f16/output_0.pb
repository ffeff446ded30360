	
ByJ´HàDJD:DPDtDšDÄDìD