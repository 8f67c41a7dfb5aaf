# SPDX-License-Identifier: Apache-2.0 OR MIT
# What a program that uses the library includes.  These are installed, and what they include
# themselves; every other header is the library's own business (tests/tidy, tests/install).
set(DAMOCLES_PUBLIC_HEADERS
    base/bytes.h base/clock.h base/file.h base/hex.h base/log.h base/random.h base/status.h
    base/thread_pool.h base/version.h
    filecoin/address.h filecoin/bitfield.h filecoin/cid.h filecoin/deadline.h filecoin/message.h
    filecoin/proof_type.h filecoin/sector.h filecoin/token_amount.h
    store/store.h
    storage/persist_store.h storage/sector_paths.h
    sector/index.h sector/tracker.h
    merkle/p_aux.h
    post/challenge.h post/vanilla.h
    groth16/backend.h groth16/params.h groth16/proof.h groth16/verifier.h
    params/parameter_store.h
    prover/local_prover.h prover/local_proving.h prover/post_prover.h
    prover/window_prover.h
    async/offload.h async/task.h
    chain/api.h chain/endpoint.h chain/lotus_client.h chain/methods.h
    job/queue.h job/spec.h
    poster/policy.h poster/runner.h
    worker/agent.h worker/hub.h worker/session.h
    rpc/client.h rpc/remote_manager.h rpc/server.h
    config/manager.h config/worker.h
    manager/home.h manager/manager.h manager/view.h)
# Of component devnet.
set(DAMOCLES_DEVNET_HEADERS
    devnet/chain.h devnet/direct_api.h devnet/genesis.h devnet/lotus_server.h devnet/presets.h
    devnet/report.h simulation/world.h)
