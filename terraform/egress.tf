# Static egress addresses, if var.vpc is set: all traffic of the services leaves through a NAT.
resource "google_compute_network" "egress" {
  #checkov:skip=CKV2_GCP_18:nothing listens in this network, and ingress is denied by default
  count = var.vpc == null ? 0 : 1

  name                    = "${var.name_prefix}-egress"
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "egress" {
  #checkov:skip=CKV_GCP_26:the ledger records every fetched page; flow logs would cost more than they add
  count = var.vpc == null ? 0 : 1

  name                     = "${var.name_prefix}-egress"
  region                   = var.region
  network                  = google_compute_network.egress[0].id
  ip_cidr_range            = var.vpc.subnet_range
  private_ip_google_access = true # traffic to Pub/Sub does not use the NAT
}

resource "google_compute_address" "egress" {
  count = var.vpc == null ? 0 : var.vpc.addresses

  name   = "${var.name_prefix}-egress-${count.index}"
  region = var.region

  depends_on = [google_project_service.this]
}

resource "google_compute_router" "egress" {
  count = var.vpc == null ? 0 : 1

  name    = "${var.name_prefix}-egress"
  region  = var.region
  network = google_compute_network.egress[0].id
}

resource "google_compute_router_nat" "egress" {
  count = var.vpc == null ? 0 : 1

  name                               = "${var.name_prefix}-egress"
  region                             = var.region
  router                             = google_compute_router.egress[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = google_compute_address.egress[*].self_link
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  # An address of the NAT has 64,512 ports. Each open connection to one address of a site uses one of them.
  enable_dynamic_port_allocation      = true
  enable_endpoint_independent_mapping = false
  min_ports_per_vm                    = 64
  max_ports_per_vm                    = 4096

  subnetwork {
    name                    = google_compute_subnetwork.egress[0].id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY" # logs exhausted ports
  }
}
