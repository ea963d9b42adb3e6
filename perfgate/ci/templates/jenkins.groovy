// The performance gate, written by `perfgate ci init jenkins`: name this file as the script path of a multibranch
// pipeline. A change request gets a verdict; on @BRANCH@ what is undecided is decided at night, and the baseline moved
// on Sundays.
//
// It needs an agent with the label performance-tier-1 and one executor, on a host that does nothing else, with perfgate
// installed (or PERFGATE_INSTALL says what pip is to install), a clone that is not shallow, and the plugins JUnit and
// Parameterized Scheduler.
pipeline {
  agent { label 'performance-tier-1' }
  options {
    disableConcurrentBuilds()
    timeout(time: 6, unit: 'HOURS')
  }
  triggers {
    parameterizedCron(env.BRANCH_NAME == '@BRANCH@' ? '''
      17 2 * * * %PERFGATE_TASK=owed
      41 4 * * 0 %PERFGATE_TASK=baseline
    ''' : '')
  }
  parameters {
    choice(name: 'PERFGATE_TASK', choices: ['gate', 'owed', 'baseline'], description: 'what to do on @BRANCH@')
  }
  environment {
    PERFGATE_SCENARIO = '@SCENARIO@'
    PERFGATE_TARGET = '@TARGET@'
    PERFGATE_HISTORY = '/var/lib/perfgate/history.db'
    PERFGATE_EVIDENCE = '/var/lib/perfgate/evidence.jsonl'
  }
  stages {
    stage('gate') {
      when { changeRequest() }
      steps {
        sh '''
          git fetch --quiet origin "+refs/heads/$CHANGE_TARGET:refs/remotes/origin/$CHANGE_TARGET"
          base=$(git merge-base "origin/$CHANGE_TARGET" HEAD)
          scripts/ci_performance_gate.sh --base "$base" --candidate HEAD --time-limit 15m --wait 30m
        '''
      }
      post {
        always {
          junit allowEmptyResults: true, testResults: 'perfgate-results/junit.xml'
          archiveArtifacts allowEmptyArchive: true, artifacts: 'perfgate-results/**'
        }
      }
    }
    stage('owed') {
      when { branch '@BRANCH@'; expression { params.PERFGATE_TASK == 'owed' } }
      steps {
        sh '"${PERFGATE:-perfgate}" gate --owed --time-limit 2h --wait 1h'
      }
    }
    stage('baseline') {
      when { branch '@BRANCH@'; expression { params.PERFGATE_TASK == 'baseline' } }
      steps {
        sh '"${PERFGATE:-perfgate}" baseline refresh "$PERFGATE_SCENARIO" --target "$PERFGATE_TARGET" --repo . --branch HEAD --time-limit 1h --wait 2h'
      }
    }
  }
}
