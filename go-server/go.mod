module duet/go-server

go 1.26
