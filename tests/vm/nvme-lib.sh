# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# nvme-lib.sh - sourced by tests of NVMe in the guest: copy-lib.sh for that backend
backend=nvme
# shellcheck source-path=SCRIPTDIR source=copy-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/copy-lib.sh"
